import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport

/// The inputs from which fuzzing starts: the tests' fixtures, and small ones made here.
enum Seeds {
    static func safetensors() throws -> [[UInt8]] {
        let types = [("F64", 8), ("F32", 4), ("F16", 2), ("BF16", 2), ("I64", 8), ("I32", 4), ("U8", 1)]
        var (members, offset) = ([#""__metadata__":{"key":"v\u00fcl\n"}"#], 0)
        for (type, size) in types {
            let end = offset + 2 * size
            members.append(#""\#(type)":{"dtype":"\#(type)","shape":[1,2],"data_offsets":[\#(offset),\#(end)]}"#)
            offset = end
        }
        let header = Array("{\(members.joined(separator: ","))}  ".utf8)
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian, Array.init)
        return [length + header + (0..<UInt8(offset)).map { $0 &* 73 }, try Fixture.bytes("logits_hash.safetensors")]
    }

    /// Each form, each model of the code, and every width of a mask's last byte.
    static func packed() -> [[UInt8]] {
        var random = RandomStream(seed: 4, purpose: .test)
        let values: [[Float]] = [[0, 0, 0.5, -0.25], [0, 0, 0, 1], [0, 0, 0, 1.5, -0.0, -3], [0], [-1, 0, 2]]
        return values.enumerated().flatMap { index, values -> [[UInt8]] in
            let extents = [index + 1, 2, 3, 3]
            let elements = (0..<extents.reduce(1, *)).map { _ in values[random.integer(below: values.count)] }
            let content = PackableContent(Tensor(shape: Shape(extents), elements: elements))
            let forms = [content.packed()] + SymbolModel.allCases.map { content.coded(by: $0) }
            return forms.map { packed in
                let form = PackedTensor.Form.allCases.firstIndex(of: packed.form)!
                return [UInt8(form)] + extents.map { UInt8($0 - 1) } + packed.bytes
            }
        }
    }

    static func graphs() throws -> [[UInt8]] {
        try samples().map { Array(try JSONCoding.text(of: $0).utf8) }
    }

    static func models() throws -> [[UInt8]] {
        var random = RandomStream(seed: 1, purpose: .test)
        let models = try samples().map {
            try Model(graph: $0, weights: random.weights(for: $0), facts: ["note": "\"\n"])
        }
        let ternary = try SmallTernaryNetwork.packableModel()
        let own = try models.map { model in try written { try ModelFile.write(model, to: $0) } }
        return try own + own.map(unsealed)
            + Packing.allCases.map { packing in
                unsealed(try written { try ModelFile.file(of: ternary).packed(packing).file.write(to: $0) })
            }
            + models.prefix(6).map { model in
                _ = try written { try ModelFile.write(model, to: $0) }
                let metadata = try SafetensorsFile.metadata(in: Input.copyPath)
                let tensors = StateDict.tensors(of: model, layout: .deployed)
                return unsealed(
                    try written { try SafetensorsFile(metadata: metadata, tensors: tensors).write(to: $0) })
            }
    }

    static func states() throws -> [[UInt8]] {
        var random = RandomStream(seed: 5, purpose: .test)
        let files = try samples().prefix(8).enumerated().map { number, graph in
            let weights = random.weights(for: graph)
            var state = TrainingState(
                position: .init(epoch: number, bestTop1: number == 0 ? nil : 50.5), graph: graph, weights: weights)
            state.position.lossSum = 0.1
            let kinds: [WritableKeyPath<TrainingState, [String: [String: Tensor<Float>]]>] = [
                \.optimizer, \.averages, \.ternarization,
            ]
            for kind in kinds.prefix(number) { state[keyPath: kind] = ["": weights.tensors, "a": weights.tensors] }
            return try written { try state.write(to: $0) }
        }
        return files + files.map(unsealed)
    }

    /// A safetensors file of ours without its digests, which almost every change to a tensor would break.
    private static func unsealed(_ file: [UInt8]) -> [UInt8] {
        let start = 8 + file[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let header = String(decoding: file[8..<start], as: UTF8.self)
            .replacing(/"tapestry\.(header|digests)":"[0-9a-f]*",?/, with: "")
        return withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + header.utf8 + file[start...]
    }

    private static func samples() throws -> [Graph] {
        var random = RandomStream(seed: 2, purpose: .test)
        return [try Graph.everyOperation()] + (0..<20).map { _ in random.graph() }
    }

    /// Of both containers; networks and trainings are among them.
    static func pyTorch() throws -> [[UInt8]] {
        let files = try [".pt", ".pth.tar", ".t7"].flatMap { try Fixture.all("pytorch", ending: $0) }
        var random = RandomStream(seed: 3, purpose: .test)
        let models = try samples().map { graph in
            let model = try Model(graph: graph, weights: random.weights(for: graph))
            return try written { try ModelFile.writePyTorch(model, layout: .deployed, to: $0) }
        }
        return try (files + models).filter { $0.count <= 8192 }
            + [written { try PyTorchCheckpoint.write(tensors, to: $0) }]
    }

    static func hdf5() throws -> [[UInt8]] {
        try Fixture.all("hdf5", ending: ".h5").filter { $0.count <= 9216 }
            + [written { try HDF5File(tensors: Array(tensors.prefix(3))).write(to: $0) }]
    }

    /// One of each type that a file keeps as it is.
    private static let tensors: [NamedTensor] = [
        NamedTensor(name: "a", tensor: .float32(Tensor(shape: [2, 2], elements: [0, -1.5, .infinity, .nan]))),
        NamedTensor(name: "b.c", tensor: .int64(Tensor(shape: [], elements: [.min]))),
        NamedTensor(name: "é", tensor: .uint8(Tensor(shape: [3], elements: [0, 128, 255]))),
        NamedTensor(name: "d", tensor: .int32(Tensor(shape: [0, 2], elements: []))),
        NamedTensor(name: "e", tensor: .int16(Tensor(shape: [1, 2], elements: [-1, 1]))),
        NamedTensor(name: "f", tensor: .int8(Tensor(shape: [2], elements: [-128, 127]))),
        NamedTensor(name: "g", tensor: .bool(Tensor(shape: [2], elements: [true, false]))),
    ]

    private static func written(_ write: (String) throws -> Void) throws -> [UInt8] {
        try write(Input.copyPath)
        return Array(try Data(contentsOf: URL(fileURLWithPath: Input.copyPath)))
    }

    static func classNames() throws -> [[UInt8]] {
        let names = (0..<100).map { "n\($0)" }
        // A list in a dictionary, in protocol 2.
        func pickle(_ key: String, _ count: Int) -> [UInt8] {
            let items = names.prefix(count).flatMap { [0x55, UInt8($0.utf8.count)] + $0.utf8 }
            return [0x80, 2] + "}U".utf8 + [UInt8(key.utf8.count)] + key.utf8 + "](".utf8 + items + "es.".utf8
        }
        return [
            Array(names.prefix(10).joined(separator: "\n").utf8), Array(names.joined(separator: "\r\n").utf8),
            pickle("label_names", 10), pickle("fine_label_names", 100), try Fixture.bytes("cifar/meta.pickle"),
        ]
    }

    static func metrics() throws -> [[UInt8]] {
        let test = EpochMetrics.Test(loss: 1.25, top1: 50.5, top5: 91, seconds: 0.5)
        let training = EpochMetrics.Training(
            learningRate: 1e-3, loss: 1.5, top1: 40, imagesPerSecond: 400, seconds: 2.5)
        let epochs = [
            EpochMetrics(epoch: 0, training: nil, test: test), EpochMetrics(epoch: 1, training: training, test: test),
            EpochMetrics(epoch: 2, training: training, test: nil),
        ]
        return try [epochs, Array(epochs.dropFirst()), []].map { epochs in
            let encoder = JSONEncoder()
            return Array(try epochs.map { try encoder.encode($0) + Data([10]) }.joined())
        }
    }

    static func binaryCIFAR() -> [[UInt8]] {
        let ramp = (0..<3072).map { UInt8(truncatingIfNeeded: $0) }
        return [[9] + ramp, [9] + ramp + [0] + ramp, [3, 99] + ramp]
    }

    static func idx() throws -> [[UInt8]] {
        [
            try Fixture.bytes("idx/train-images-idx3-ubyte.gz"), try Fixture.bytes("idx/train-labels-idx1-ubyte"),
            [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6],
        ]
    }

    static func yaml() -> [[UInt8]] {
        let texts = [
            """
            # A recipe
            recipe: ask
            epochs: 20
            learning-rate: 1.5e-1
            milestones: [.5, 0.75]
            nesterov: true
            gradient-clip: ~
            color-jitter: []
            """,
            """
            - layers: "feature.?"
              method: ask:ASK_5a
            - layers: '*'
              ask: [[2, 4, 5, 6, 8], [1, 3, 5, 7, 9]]
            """,
            "- ask:[[1,5],[2, 5]],dense\n- hetconv:4\n- \"acb,ask:ASK_4a\"\n",
            "a: &a {b: [0x1F, 0o17, -.inf, .nan, 1., \"\\u00e9\\n\"]}\nc: *a\nd: |\n  text\n  more\ne: >-\n  folded\n",
            "%YAML 1.2\n---\n? key\n: !!str 12\n...\n",
        ]
        return texts.map { Array($0.utf8) }
    }
}

extension Fixture {
    /// The contents of a folder's files whose names end so.
    static func all(_ folder: String, ending suffix: String) throws -> [[UInt8]] {
        try FileManager.default.contentsOfDirectory(atPath: path(folder)).filter { $0.hasSuffix(suffix) }.sorted()
            .map { try bytes("\(folder)/\($0)") }
    }
}
