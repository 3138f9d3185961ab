import Foundation
import TapestryCore
import TapestryModelFile
import TapestryTestSupport
import Testing

@Suite("Packed weights") struct PackingTests {
    private let directory: TemporaryDirectory
    private var path: String { directory.path + "/f.safetensors" }

    init() throws { directory = try TemporaryDirectory() }

    private func file(_ shape: Shape, _ elements: [Float]) -> SafetensorsFile {
        SafetensorsFile(
            metadata: ["a": "b"],
            tensors: [
                .init(name: "w", tensor: .float32(Tensor(shape: shape, elements: elements))),
                .init(name: "other", tensor: .int64(Tensor(shape: [1], elements: [7]))),
            ])
    }

    /// Packs, writes and reads; the tensor has to come back to the bit. Gives what it takes, nil if it is not packed.
    private func size(_ shape: Shape, _ elements: [Float], _ packing: Packing) throws -> PackedSize? {
        let (packed, sizes) = file(shape, elements).packed(packing)
        try packed.write(to: path)
        let read = try SafetensorsFile.read(path)
        #expect(read.metadata == ["a": "b"] && read["other"]?.int64?.elements == [7])
        #expect(read.packedSizes == sizes)
        #expect(try SafetensorsFile.typeNames(in: path) == ["w": "F32", "other": "I64"])
        #expect(try SafetensorsFile.metadata(in: path) == ["a": "b"])
        let tensor = try #require(read["w"]?.float32)
        #expect(tensor.shape == shape && tensor.elements.map(\.bitPattern) == elements.map(\.bitPattern))
        return sizes["w"]
    }

    @Test(arguments: Packing.allCases)
    func ternaryTensorsComeBackToTheBit(packing: Packing) throws {
        try RandomRounds.run(60) { random throws in
            let shape = Shape((0..<random.integer(in: 1...4)).map { _ in random.integer(in: 1...9) })
            let levels: [Float] = [-Float(random.uniform(in: 0.01...2)), Float(random.uniform(in: 0.01...2))]
            let kind = random.integer(below: 5)
            let zeros = kind == 0 ? 1 : random.uniform()
            let elements = (0..<shape.count).map { _ -> Float in
                if random.uniform() < zeros { return 0 }
                return kind == 1 ? levels[0] : kind == 2 ? levels[1] : levels[random.integer(below: 2)]
            }
            let size = try size(shape, elements, packing)
            #expect(size.map { $0.form.hasPrefix("ternary") && $0.byteCount < 4 * shape.count } ?? (shape.count < 200))
        }
    }

    /// -0.0 is no zero, and nothing is lost of a not-a-number.
    @Test(arguments: Packing.allCases)
    func sparseTensorsComeBackToTheBit(packing: Packing) throws {
        let values: [Float] = [1.5, -0.0, Float(bitPattern: 0x7FC0_1234), -.infinity, .leastNonzeroMagnitude, 3]
        let elements = (0..<720).map { $0 % 5 == 0 ? values[$0 / 5 % 6] : 0 }
        #expect(try size([10, 8, 3, 3], elements, packing)?.form == (packing == .entropy ? "sparse-coded" : "sparse"))
        #expect(try size([720], elements.map { $0 == 0 ? 0 : 1 }, packing)?.form.hasPrefix("ternary") == true)
        let dense = (0..<720).map { Float($0) + 1 }
        #expect(try size([720], dense, packing) == nil)
        #expect(try size([1], [0], packing) == nil && size([0, 3], [], packing) == nil)
    }

    /// 8 bytes of values, a bit a weight, a bit a sign.
    @Test func masksAndSignsHaveTheirBits() throws {
        let elements = (0..<803).map { [0, 0, 0.5, -0.25, 0][$0 % 5] as Float }
        let signs = elements.count { $0 != 0 }
        #expect(try size([803], elements, .ternary)?.byteCount == 8 + 101 + (signs + 7) / 8)
    }

    @Test func largeTensorsAreCodedCloseToTheirEntropy() throws {
        var random = RandomStream(seed: 6, purpose: .test)
        for zeros in [0.1, 0.5, 0.64, 0.9, 0.99] {
            for shape in [[16, 16, 3, 3], [64, 64, 3, 3], [128, 256, 3, 3]] as [Shape] {
                var counts = [0, 0, 0]
                let elements = (0..<shape.count).map { _ -> Float in
                    let symbol = random.uniform() < zeros ? 0 : random.uniform() < 0.6 ? 1 : 2
                    counts[symbol] += 1
                    return [0, 0.5, -0.25][symbol]
                }
                let entropy = counts.reduce(0.0) {
                    $1 == 0 ? $0 : $0 - Double($1) * log2(Double($1) / Double(shape.count))
                }
                let bytes = Double(try #require(try size(shape, elements, .entropy)).byteCount)
                // The two values, the model's number and the learning are some bytes whatever the layer's size.
                #expect(bytes <= 1.02 * entropy / 8 + 13, "\(zeros) \(shape): \(bytes) of \(entropy / 8)")
            }
        }
    }

    @Test func neighboursThatAgreeTakeLess() throws {
        var random = RandomStream(seed: 7, purpose: .test)
        var last: Float = 0
        let elements = (0..<64 * 64 * 9).map { _ -> Float in
            if random.uniform() < 0.5 { last = [0, 0, 0.5, -0.25][random.integer(below: 4)] }
            return last
        }
        let bytes = try #require(try size([64, 64, 3, 3], elements, .entropy)).byteCount
        #expect(Double(bytes) < 0.9 * 1.5 * 64 * 64 * 9 / 8)
    }

    /// Zeros cost next to nothing, as many of them as readers unpack of so few bytes; beyond that they take a bit each.
    @Test func layersWithoutAWeightArePacked() throws {
        let small = try #require(try size([512, 512], Array(repeating: 0, count: 512 * 512), .entropy))
        #expect(small.form == "ternary-coded" && small.byteCount < 40)
        let large = try #require(try size([4096, 1024], Array(repeating: 0, count: 4096 * 1024), .entropy))
        #expect(large.form == "ternary" && large.byteCount == 8 + 4096 * 1024 / 8)
    }

    @Test func theSameTensorsGiveTheSameBytes() throws {
        let elements = (0..<900).map { [0, 0, 0.5, -0.25, 0][$0 % 5] as Float }
        for packing in Packing.allCases {
            try file([100, 9], elements).packed(packing).file.write(to: path)
            let first = try Data(contentsOf: URL(fileURLWithPath: path))
            try SafetensorsFile.read(path).packed(packing).file.write(to: path)
            // Packed tensors come last.
            let again = try SafetensorsFile.read(path)
            #expect(again.tensors.map(\.name) == ["other", "w"])
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == first)
        }
    }
}
