import Foundation
import TapestryCore
import TapestryModelFile
import TapestryTestSupport
import Testing

@Suite("Digests in files") struct DigestTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/f.safetensors" }

    init() throws { directory = try TemporaryDirectory() }

    private static let kinds: [(name: String, tensor: StoredTensor)] = [
        ("weight", .float32(Tensor(shape: [2, 2], elements: [1.5, -0.0, .infinity, .nan]))),
        ("count", .int64(Tensor(shape: [], elements: [3]))), ("none", .float32(Tensor(shape: [0], elements: []))),
        ("mask", .bool(Tensor(shape: [3], elements: [true, false, true]))),
        ("bytes", .uint8(Tensor(shape: [2], elements: [0, 255]))),
        ("packed", .float32(Tensor(shape: [16, 16], elements: (0..<256).map { [0, 0.5, 0, -0.25][$0 % 4] }))),
    ]

    private func bytes(of file: SafetensorsFile) throws -> [UInt8] {
        try file.write(to: path)
        return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    }

    /// The places of each tensor's bytes, of those that have any.
    private func places(in bytes: [UInt8]) throws -> [(name: String, bytes: Range<Int>)] {
        struct Entry: Decodable { let data_offsets: [Int] }
        let start = 8 + bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        var header = try #require(
            try JSONSerialization.jsonObject(with: Data(bytes[8..<start])) as? [String: [String: Any]])
        header["__metadata__"] = nil
        return try header.map { name, entry in
            let offsets = try #require(entry["data_offsets"] as? [Int])
            return (name, start + offsets[0]..<start + offsets[1])
        }
    }

    private func refusal(of bytes: [UInt8]) throws -> FormatError? {
        do {
            _ = try SafetensorsFile.read(try directory.write(bytes, to: "damaged.safetensors"))
            return nil
        } catch let error as FormatError { return error }
    }

    /// Flips every bit of the file, one at a time. What is wrong must be said of the tensor, or of the header.
    private func flipEveryBit(of bytes: [UInt8]) throws {
        let places = try places(in: bytes)
        for index in bytes.indices {
            let name = places.first { $0.bytes.contains(index) }.map { "tensor '\($0.name)'" } ?? "header"
            for bit in 0..<8 {
                var damaged = bytes
                damaged[index] ^= 1 << UInt8(bit)
                let error = try refusal(of: damaged)
                #expect(error?.reason.contains(name) == true, "bit \(bit) of byte \(index): \(error as Any)")
                #expect(error?.file == directory.path + "/damaged.safetensors")
            }
        }
    }

    @Test func everyFlippedBitIsFoundAndNamed() throws {
        let tensors = Self.kinds.map { NamedTensor(name: $0, tensor: $1) }
        let file = SafetensorsFile(metadata: ["note": "\"ü\"\n"], tensors: tensors)
        try flipEveryBit(of: try bytes(of: file))
    }

    @Test(arguments: Packing.allCases) func everyFlippedBitOfPackedTensorsToo(packing: Packing) throws {
        let tensors = Self.kinds.suffix(2).map { NamedTensor(name: $0, tensor: $1) }
        try flipEveryBit(of: try bytes(of: SafetensorsFile(tensors: tensors).packed(packing).file))
    }

    @Test func everyFlippedBitOfAModelToo() throws {
        let graph = try Graph.build(input: [1, 3, 3]) { image in
            image.convolution("conv", to: 1, kernel: 3).batchNorm("bn").globalAveragePool().linear("fc", to: 2)
        }
        var random = RandomStream(seed: 8, purpose: .test)
        let model = try Model(graph: graph, weights: random.weights(for: graph), facts: ["architecture": "test"])
        try flipEveryBit(of: try bytes(of: try ModelFile.file(of: model)))
    }

    /// Types that no file of ours has, as another program may store them and seal.
    @Test func typesThatAreWidenedAreChecked() throws {
        let data: [UInt8] = [0, 0x3C, 0, 0xC0]
        let digest = SHA256.hex(of: data).prefix(16)
        var header = Array(
            """
            {"__metadata__":{"tapestry.header":"0000000000000000","tapestry.digests":"\(digest)"},\
            "half":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}
            """.utf8)
        FileDigests.sealHeader(&header)
        let bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init) + header + data
        #expect(try refusal(of: bytes) == nil)
        try flipEveryBit(of: bytes)
    }

    @Test func filesOfOthersAreReadUnchecked() throws {
        func read(_ metadata: String) throws -> SafetensorsFile {
            let header = Array("{\(metadata)\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}".utf8)
            let length = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init)
            return try SafetensorsFile.read(try directory.write(length + header + [7], to: "other.safetensors"))
        }
        #expect(try read("")["b"] == .uint8(Tensor(shape: [1], elements: [7])))
        #expect(try read(#""__metadata__":{"a":"b"},"#).metadata == ["a": "b"])
        // A part of the digests is none.
        expectFormatError(at: 8, "expected \"tapestry.header\" at its beginning") {
            _ = try read(#""__metadata__":{"tapestry.digests":""},"#)
        }
        expectFormatError(at: 8, "expected \"tapestry.header\" at its beginning") {
            _ = try read(#""__metadata__":{"a":"b","tapestry.header":"0000000000000000"},"#)
        }
    }

    /// Digests are the file's and no fact: they neither appear when it is read, nor pass to another.
    @Test func digestsAreNoMetadata() throws {
        let tensors = Self.kinds.map { NamedTensor(name: $0, tensor: $1) }
        let bytes = try bytes(of: SafetensorsFile(metadata: ["a": "b"], tensors: tensors))
        #expect(try SafetensorsFile.read(path).metadata == ["a": "b"])
        #expect(try SafetensorsFile.metadata(in: path) == ["a": "b"])
        let stale = SafetensorsFile(
            metadata: ["a": "b", "tapestry.header": "x", "tapestry.digests": ""], tensors: tensors)
        #expect(try self.bytes(of: stale) == bytes)
        #expect(stale.byteCount == bytes.count)
    }
}
