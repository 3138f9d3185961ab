import Foundation
import TapestryCore
import TapestryModelFile
import TapestryTestSupport
import Testing

@Suite("Damaged packed weights") struct HostilePackingTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ bytes: [UInt8]) throws -> SafetensorsFile {
        try SafetensorsFile.read(try directory.write(bytes, to: "f.safetensors"))
    }

    /// A file with that index, whose tensor `w` is of those bytes.
    private func file(index: String, type: String = "U8", data: [UInt8]) -> [UInt8] {
        let quoted = index.replacing("\"", with: "\\\"")
        let header = """
            {"__metadata__":{"tapestry.packed":"\(quoted)"},\
            "w":{"dtype":"\(type)","shape":[\(data.count)],"data_offsets":[0,\(data.count)]}}
            """
        return withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + header.utf8 + data
    }

    private func file(_ form: String, _ shape: String, _ data: [UInt8], digest: String = "") -> [UInt8] {
        file(index: #"{"w":{"form":"\#(form)","shape":\#(shape),"sha256":"\#(digest)"}}"#, data: data)
    }

    private static let levels: [UInt8] = [0, 0, 0x80, 0xBE, 0, 0, 0, 0x3F]
    private static let noLevels = [UInt8](repeating: 0, count: 8)

    @Test func indexes() {
        func expect(_ index: String, _ reason: String, type: String = "U8") {
            expectFormatError(reason) { _ = try read(file(index: index, type: type, data: [0])) }
        }
        expect("", "expected '{' as the header's first byte")
        expect(#"{"w":1}"#, "tensor 'w': expected form and shape, found others")
        expect(
            #"{"w":{"form":"dense","shape":[1],"sha256":""}}"#, "expected a form among ternary, ternary-coded, sparse")
        for shape in ["[-1]", "[0]", "[4294967296]", "[1152921504606846976,16]", #""1""#] {
            let reason = shape == "[-1]" ? "expected a whole number" : "expected a shape of 1 to 4294967295 elements"
            expect(#"{"w":{"form":"sparse","shape":\#(shape),"sha256":""}}"#, reason)
        }
        expect(#"{"w":{"form":"sparse","shape":[1],"sha256":1}}"#, "expected a sha256, found none")
        let unsealed = file(index: #"{"w":{"form":"sparse","shape":[1]}}"#, data: [0])
        expectFormatError(at: unsealed.count - 1, "tensor 'w': expected a digest, found none") {
            _ = try read(unsealed)
        }
        expect(#"{"v":{"form":"sparse","shape":[1],"sha256":""}}"#, "tensor 'v': expected bytes (U8, one axis)")
        expect(#"{"w":{"form":"sparse","shape":[1],"sha256":""}}"#, "tensor 'w': expected bytes (U8", type: "I8")
    }

    @Test func contents() {
        func expect(_ form: String, _ shape: String, _ data: [UInt8], at offset: Int, _ reason: String) {
            let bytes = file(form, shape, data)
            expectFormatError(at: bytes.count - data.count + offset, reason) { _ = try read(bytes) }
        }
        let levels = Self.levels
        expect("ternary", "[3000,1000]", levels, at: 0, "expected at most 1024 times its 8 bytes when unpacked")
        expect("ternary", "[9]", [0, 0, 0], at: 0, "expected 4 bytes of negative value, found 3")
        expect("ternary", "[9]", levels + [1], at: 8, "expected 2 bytes of mask, found 1")
        expect("ternary", "[9]", levels + [1, 2], at: 9, "expected zeros behind the last bit of the mask")
        expect("ternary", "[9]", levels + [3, 0], at: 10, "expected 1 bytes of signs, found 0")
        expect("ternary", "[9]", levels + [3, 0, 4], at: 10, "expected zeros behind the last bit of the signs")
        expect("ternary", "[9]", levels + [3, 0, 1, 0], at: 11, "expected the end of the packed tensor, found 1 more")
        expect("ternary", "[9]", levels + [3, 0, 3], at: 0, "expected a negative value and a positive one")
        expect("ternary", "[9]", Self.noLevels + [3, 0, 2], at: 0, "expected a negative value and a positive one")
        expect("ternary", "[9]", levels + [3, 0, 1], at: 0, "expected weights whose SHA-256 is , found")
        expect("ternary-coded", "[9]", levels, at: 8, "expected 1 bytes of model of the code, found 0")
        expect("ternary-coded", "[9]", levels + [2], at: 8, "expected 0 or 1 as the model of a code, found 2")
        for code: [UInt8] in [[0], [255, 255, 255, 255], [1, 2, 3, 4, 5, 6, 7, 8]] {
            expect("ternary-coded", "[9]", levels + [0] + code, at: 9, "expected the code of 9 elements")
        }
        expect("sparse", "[9]", [3, 0, 1, 1, 1], at: 2, "expected 8 bytes of values, found 3")
        expect("sparse", "[9]", [1, 0, 0, 0, 0, 0], at: 2, "expected a value other than zero, found 0")
        expect("sparse-coded", "[9]", [255, 255, 255, 255], at: 4, "expected 17179869180 bytes of values, found 0")
        // No code at all is that of nothing but ones.
        expect("sparse-coded", "[9]", [0, 0, 0, 0, 0], at: 0, "expected a value for each of 9 elements, found 0")
    }

    /// Four elements, of which the second is 1: as anyone can write them.
    @Test func aFileWrittenByHand() throws {
        let digest = "6855960ee428276148fc8745625c44bde7ae835a9e2fa181cc917af9bcad0d6a"
        let bytes = file("ternary", "[2,2]", [0, 0, 0, 0, 0, 0, 0x80, 0x3F, 2, 0], digest: digest)
        #expect(try read(bytes)["w"]?.float32 == Tensor(shape: [2, 2], elements: [0, 1, 0, 0]))
    }

    /// Every form in one file, nothing else.
    private static func example() -> SafetensorsFile {
        let ternary = (0..<270).map { [0, 0, 0.5, -0.25, 0][$0 * $0 % 5] as Float }
        let sparse = (0..<270).map { $0 % 7 == 0 ? Float($0) + 1 : 0 }
        return SafetensorsFile(
            tensors: [("t", ternary), ("s", sparse)].map {
                .init(name: $0, tensor: .float32(Tensor(shape: [30, 3, 3], elements: $1)))
            })
    }

    @Test(arguments: Packing.allCases)
    func truncations(packing: Packing) throws {
        let path = directory.path + "/whole.safetensors"
        try Self.example().packed(packing).file.write(to: path)
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(Damage.truncationsAccepted(of: bytes) { _ = try read($0) }.isEmpty)
    }

    /// A byte more or less of each tensor, with a header that says so.
    @Test func otherLengths() throws {
        for packing in Packing.allCases {
            let packed = Self.example().packed(packing).file
            for index in packed.tensors.indices {
                guard case .uint8(let tensor) = packed.tensors[index].tensor else { continue }
                var others = (0..<tensor.shape.count).map { Array(tensor.elements[..<$0]) }
                others += [0, 1, 127, 128, 255].map { tensor.elements + [$0] }
                for bytes in others {
                    var file = packed
                    file.tensors[index].tensor = .uint8(Tensor(shape: [bytes.count], elements: bytes))
                    let path = directory.path + "/other.safetensors"
                    try file.write(to: path)
                    #expect(throws: FormatError.self, "\(packing), \(bytes.count)") { try SafetensorsFile.read(path) }
                }
            }
        }
    }

    @Test(arguments: Packing.allCases)
    func flippedBytesNeverGiveOtherWeights(packing: Packing) throws {
        let path = directory.path + "/whole.safetensors"
        let example = Self.example()
        try example.packed(packing).file.write(to: path)
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        var others = 0
        let surprises = Damage.flip(bytes, for: .seconds(2), expecting: FormatError.self) { damaged in
            for entry in try read(damaged).tensors {
                guard let elements = entry.tensor.float32?.elements else { continue }
                if !example.tensors.contains(where: { $0.tensor.float32?.elements == elements }) { others += 1 }
            }
        }
        #expect(surprises.isEmpty && others == 0)
    }
}
