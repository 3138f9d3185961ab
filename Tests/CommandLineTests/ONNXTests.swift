import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

/// What ONNX's own checker says of the files, and what ONNX Runtime computes by them.
@Suite("convert -o x.onnx", .enabled(if: Python.isHere, Python.skipped)) struct ONNXTests {
    /// Networks of every family, with each of the methods; small images where the network is large.
    @Test(arguments: [
        ("ask/resnet20", nil, nil), ("ask/resnet8", "ask:ASK_4a", nil), ("ask/vgg11", "hetconv:4", nil),
        ("ask/resnet14", "acb,ask:ASK_5a", nil), ("acnet/cifar-quick", "acb", nil), ("acnet/wrn16-8", "separable", nil),
        ("acnet/mobilenet-v1", nil, 64), ("acnet/lenet5", nil, nil), ("shift/resnet20", "shift:3", nil),
        ("shift/resnet20", "depthwise:1", nil), ("ec2t/micronet", nil, nil), ("ec2t/efficientnet-b0", nil, 64),
        ("hetconv/vgg16", "hetconv:4", nil),
    ])
    func deployedNetworksComputeTheSame(name: String, method: String?, imageSize: Int?) throws {
        let architecture = try Zoo.architecture(named: name)
        let options = NetworkOptions(imageSize: imageSize)
        let graph =
            try method.map { try MethodAssignment(method: $0).network(of: architecture, options) }
            ?? architecture.graph(options)
        let model = try Model(graph: graph, weights: .hashed(for: graph), facts: ["architecture": name, "ä": "\"\n"])
        try TemporaryFolder.with { folder throws in
            let (source, output) = ("\(folder)/a.safetensors", "\(folder)/a.onnx")
            try ModelFile.write(model, to: source)
            let outcome = try Program.run("convert", source, "-o", output, "--inputs", "1")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let facts = try expectONNXRuntimeAgrees([(output, model.deployed())], batches: [1, 3])[0].metadata
            #expect(facts["architecture"] == name && facts["ä"] == "\"\n")
            #expect(facts["certificate"]?.contains("top1_agreement") == true)
        }
    }

    /// Operations of every kind with any attributes, as they are, and as what deploying makes of them.
    @Test func anyGraphComputesTheSame() throws {
        try TemporaryFolder.with { folder throws in
            var cases: [(path: String, model: FrozenModel)] = []
            try RandomRounds.run(60) { stream in
                let drawn = stream.graph()
                let model = try Model(graph: drawn, weights: stream.weights(for: drawn))
                for frozen in [try model.deployed(.inBranches), try model.deployed()] {
                    let path = "\(folder)/\(cases.count).onnx"
                    try ONNXFile.write(frozen, to: path)
                    cases.append((path, frozen))
                }
            }
            try expectONNXRuntimeAgrees(cases, batches: [1, 2])
        }
    }

    /// Those that a drawn graph seldom or never has: a vector's batch norm and affine, and names that ONNX's own clash with.
    @Test func oddGraphsComputeTheSame() throws {
        let vectors = try Graph.build(input: [3, 8, 8]) { image in
            image.globalAveragePool().linear("a", to: 4).batchNorm("b").relu().affine("c").flatten()
        }
        let names = try Graph.build(input: [3, 8, 8]) { image in
            image.convolution("a", to: 12, kernel: 3, padding: 1).shift("images").relu("logits")
                .convolution("a.weight", to: 5, kernel: 3, padding: -1).swish("a.weight/gate").affine("images/ones")
                .flatten("a.bias")
        }
        let feature = try Graph.build(input: [20, 8, 9]) { image in
            image.shift("shift", dilation: 2).paddingChannels("pad", before: 1, after: 2)
        }
        var stream = RandomStream(seed: 1, purpose: .test)
        try TemporaryFolder.with { folder throws in
            let cases = try [vectors, names, feature].enumerated().map { index, graph in
                let path = "\(folder)/\(index).onnx"
                let model = try FrozenModel(Model(graph: graph, weights: stream.weights(for: graph)))
                try ONNXFile.write(model, to: path)
                let first = try Data(contentsOf: URL(filePath: path))
                try ONNXFile.write(model, to: path)
                #expect(try Data(contentsOf: URL(filePath: path)) == first)
                return (path: path, model: model)
            }
            try expectONNXRuntimeAgrees(cases, batches: [1, 2])
        }
    }

    private struct Run: Decodable {
        let metadata: [String: String]
        /// For each batch, image by image.
        let logits: [[Float]]
    }

    /// Expects the checker to accept the files, and ONNX Runtime to compute what the reference interpreter does, to 1e-5
    /// of the largest logit and a rounding of the numbers around 1 that it may be a small sum of.
    @discardableResult
    private func expectONNXRuntimeAgrees(
        _ cases: [(path: String, model: FrozenModel)], batches: [Int], sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [Run] {
        var stream = RandomStream(seed: 2, purpose: .test)
        let images = cases.map { _, model in
            batches.map { stream.tensor(Shape([$0] + model.graph.inputShape.dimensions)).map { Float($0) } }
        }
        for (entry, images) in zip(cases, images) {
            let tensors = zip(batches, images).map { NamedTensor(name: "\($0)", tensor: .float32($1)) }
            try SafetensorsFile(metadata: [:], tensors: tensors).write(to: "\(entry.path).images")
        }
        let runs = try Python.json(Self.script, cases.map(\.path), as: [Run].self)
        for (run, (entry, images)) in zip(runs, zip(cases, images)) {
            for (logits, images) in zip(run.logits, images) {
                let model = entry.model
                let expected = try ReferenceInterpreter(model.graph, weights: model.weights)(images.map(Double.init))
                let largest = expected.elements.reduce(0) { max($0, abs($1)) }
                expectClose(
                    Tensor(shape: [logits.count], elements: logits), expected.reshaped(to: [logits.count]),
                    within: Tolerance(absolute: 1e-5 * largest + 1e-7), "\(model.graph)", sourceLocation: sourceLocation
                )
            }
        }
        #expect(runs.count == cases.count, sourceLocation: sourceLocation)
        return runs
    }

    private static let script = """
        import json, sys
        import onnx, onnxruntime
        from safetensors.numpy import load_file

        def run(path):
            model = onnx.load(path)
            onnx.checker.check_model(model, full_check=True)
            assert [value.name for value in model.graph.input] == ["images"]
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            batches = sorted(load_file(path + ".images").items(), key=lambda entry: int(entry[0]))
            logits = [session.run(["logits"], {"images": images})[0] for _, images in batches]
            return {"metadata": {entry.key: entry.value for entry in model.metadata_props},
                    "logits": [values.ravel().tolist() for values in logits]}

        print(json.dumps([run(path) for path in sys.argv[1:]]))
        """
}
