import TapestryInference
import TapestryTestSupport

/// A small classifier of RGB images as it is after training, in files of every form.
struct ModelFixture {
    /// With batch norms, and with an operation that acts in training only.
    let model: Model
    let directory: TemporaryDirectory

    init(normalization: String? = "ask") throws {
        let graph = try Graph.build(input: [3, 8, 8]) { image in
            image.convolution("conv1", to: 8, kernel: 3, padding: 1).batchNorm("bn1").relu()
                .convolution("conv2", to: 4, kernel: 3, stride: 2, padding: 1).batchNorm("bn2").relu()
                .globalAveragePool().dropout("dropout", probability: 0.5).linear("fc", to: 3)
        }
        var facts = [NameList.classNames.key: NameList.classNames.text(["cat", "chien \u{e9}"])]
        facts["normalization"] = normalization
        var random = RandomStream(seed: 1, purpose: .test)
        var weights = random.weights(for: graph)
        // Worth to be packed.
        weights.tensors["conv2.weight"] = weights.tensors["conv2.weight"]?.map { abs($0) < 0.1 ? 0 : $0 < 0 ? -1 : 1 }
        model = try Model(graph: graph, weights: weights, facts: facts)
        directory = try TemporaryDirectory()
    }

    /// Writes a file of the model and gives its path.
    func write(isDeployed: Bool, packing: Packing? = nil) throws -> String {
        let path = "\(directory.path)/model.safetensors"
        let file = try ModelFile.file(of: isDeployed ? model.deployed().model : model)
        try (packing.map { file.packed($0).file } ?? file).write(to: path)
        return path
    }

    func images(_ count: Int) -> Tensor<Float> {
        var random = RandomStream(seed: 2, purpose: .test)
        let elements = (0..<count * model.graph.inputShape.count).map { _ in Float(random.uniform(in: -1...1)) }
        return Tensor(shape: Shape([count] + model.graph.inputShape.dimensions), elements: elements)
    }
}
