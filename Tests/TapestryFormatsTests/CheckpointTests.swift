import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct CheckpointTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let tensors = [
        NamedTensor(name: "w", tensor: .float32(Tensor(shape: [2, 1], elements: [1.5, -2]))),
        NamedTensor(name: "n", tensor: .int64(Tensor(shape: [], elements: [3]))),
    ]

    @Test func kindsAreToldApartByTheirBytes() throws {
        let safetensors = directory.path + "/a.pt"
        try SafetensorsFile(metadata: ["a": "b"], tensors: Self.tensors).write(to: safetensors)
        let first = try Checkpoint.read(safetensors)
        #expect(first.kind == .safetensors)
        #expect(first.tensors == Self.tensors)
        #expect(first.metadata == ["a": "b"])
        #expect(first.typeNames == ["w": "F32", "n": "I64"])

        let zip = directory.path + "/a.safetensors"
        try PyTorchCheckpoint.write(Self.tensors, to: zip)
        let second = try Checkpoint.read(zip)
        #expect(second.kind == .pyTorchZip)
        #expect(second.tensors == Self.tensors)
        #expect(second.typeNames == ["w": "F32", "n": "I64"])

        let third = try Checkpoint.read(Fixture.path("pytorch/training-legacy-protocol2.pth.tar"))
        #expect(third.kind == .pyTorchLegacy)
        #expect(third.metadata["best_prec1"] == "88.25")
        #expect(third.metadata["args.deep.seed"] == "1099511627776")
    }

    /// The length of a header may begin with the two bytes with which pickles do.
    @Test func aLengthIsNoPickle() throws {
        let path = directory.path + "/f"
        for length in stride(from: 8, to: 1200, by: 8) {
            let note = String(repeating: "a", count: length)
            try SafetensorsFile(metadata: ["note": note], tensors: Self.tensors).write(to: path)
            #expect(try Checkpoint.read(path).metadata == ["note": note])
        }
    }

    @Test(arguments: [[], [0x80], [0x80, 6, 0, 0], Array("PK".utf8), Array("no checkpoint".utf8)] as [[UInt8]])
    func otherFilesAreRefusedWithWhatIsRead(bytes: [UInt8]) throws {
        let path = try directory.write(bytes, to: "f")
        expectFormatError(at: 0, "(safetensors, PyTorch (zip), PyTorch (legacy), HDF5)") {
            _ = try Checkpoint.read(path)
        }
    }

    @Test func aMissingFileIsNoDamagedOne() {
        #expect(throws: InputNotFound.self) { try Checkpoint.read(directory.path + "/none.pt") }
    }
}

/// The published checkpoints, where they are: `TAPESTRY_CHECKPOINTS` names their folder.
@Suite struct PublishedCheckpointTests {
    static let folder = ProcessInfo.processInfo.environment["TAPESTRY_CHECKPOINTS"]

    struct Recorded: Decodable, CustomTestStringConvertible {
        struct Tensor: Decodable {
            let name: String
            let shape: [Int]
            let type: String
            let sum: Double

            init(from decoder: any Decoder) throws {
                var row = try decoder.unkeyedContainer()
                name = try row.decode(String.self)
                shape = try row.decode([Int].self)
                type = try row.decode(String.self)
                sum = try row.decode(Double.self)
            }
        }

        let file: String
        let facts: [String: Double]
        let prefix: String
        let tensors: [Tensor]

        var testDescription: String { file }

        static func all() throws -> [Recorded] { try Fixtures.json("checkpoints.json") }
    }

    @Test(
        .enabled(if: folder != nil, "SKIPPED: TAPESTRY_CHECKPOINTS does not name the folder of the published ones"),
        arguments: try Recorded.all())
    func tensorsAreThoseRecordedWithPyTorch(recorded: Recorded) throws {
        let folder = try #require(Self.folder)
        let checkpoint = try Checkpoint.read("\(folder)/\(recorded.file)")
        #expect(checkpoint.kind == .pyTorchLegacy)
        #expect(
            checkpoint.tensors.map(\.name) == recorded.tensors.map { String($0.name.dropFirst(recorded.prefix.count)) })
        for (entry, recorded) in zip(checkpoint.tensors, recorded.tensors) {
            #expect(entry.tensor.shape.dimensions == recorded.shape, "\(recorded.name)")
            #expect(checkpoint.typeNames[entry.name] == (recorded.type == "int64" ? "I64" : "F32"), "\(recorded.name)")
            let sum = entry.tensor.numbers.reduce(0, +)
            expectClose(sum, recorded.sum, within: Tolerance(absolute: 1e-9, relative: 1e-9), recorded.name)
        }
        #expect(checkpoint.metadata.compactMapValues(Double.init) == recorded.facts)
    }

    /// Packed, every ternary layer is within 2 % of its entropy.
    @Test(
        .enabled(if: folder != nil, "SKIPPED: TAPESTRY_CHECKPOINTS does not name the folder of the published ones"))
    func publishedTernaryLayers() throws {
        let folder = try #require(Self.folder)
        let checkpoint = try Checkpoint.read("\(folder)/resnet20_ec2t_spars64.pt")
        let (_, sizes) = SafetensorsFile(tensors: checkpoint.tensors).packed(.entropy)
        let layers = sizes.filter { $0.value.form == "ternary-coded" }
        #expect(layers.count == 18)
        for (name, size) in layers {
            let elements = try #require(checkpoint.tensors.first { $0.name == name }?.tensor.float32).elements
            let counts = [elements.count { $0 == 0 }, elements.count { $0 > 0 }, elements.count { $0 < 0 }]
            let entropy = counts.reduce(64.0) { $0 - Double($1) * log2(Double($1) / Double(elements.count)) } / 8
            #expect(Double(size.byteCount) <= 1.02 * entropy, "\(name): \(size.byteCount) bytes of \(entropy)")
        }
        #expect(layers.values.reduce(0) { $0 + $1.byteCount } < 39_000)
    }
}
