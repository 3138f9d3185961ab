import TapestryCore
import TapestryTorch

/// A network, its optimiser and the average of its parameters, and the step that moves all three.
public final class TrainingStep {
    public let network: TorchNetwork
    let optimizer: any Optimizer
    let averages: ExponentialMovingAverage?
    private let recipe: Recipe
    private let precision: RunConfiguration.Precision

    /// What a step found, of the images as it was given them.
    public struct Result {
        /// The batch's mean loss.
        public let loss: Double
        /// How many images the network put first in their class.
        public let correct: Int
    }

    /// The loss is infinite or NaN; nothing has been moved.
    struct NotFinite: Error {
        /// The first node whose parameters or value are not finite.
        let node: String
    }

    public init(_ network: TorchNetwork, recipe: Recipe, precision: RunConfiguration.Precision) throws {
        self.network = network
        self.recipe = recipe
        self.precision = precision
        optimizer = try recipe.makeOptimizer(for: network)
        averages = try recipe.emaDecay.map {
            try ExponentialMovingAverage(parameters: network.namedParameters + network.namedStatistics, decay: $0)
        }
    }

    /// Moves the parameters once, by the mean loss of N x C x H x W `images` whose classes are `labels` (int64).
    public func callAsFunction(
        _ images: TorchTensor, _ labels: TorchTensor, learningRate: Double
    ) throws -> Result {
        let logits = try network.logits(of: images, mode: .training, precision: precision)
        let loss = try logits.crossEntropy(targets: labels, labelSmoothing: recipe.labelSmoothing)
        let value = try loss.item()
        guard value.isFinite else {
            throw NotFinite(node: try firstNonFiniteNode(for: images) ?? network.graph.outputName)
        }
        try optimizer.clearGradients()
        try loss.backward()
        try network.maskGradients()
        if let maximum = recipe.gradientClip {
            try Torch.clipGradientNorm(of: network.parameters.map(\.value), to: maximum)
        }
        try optimizer.step(learningRate: learningRate)
        try averages?.update()
        let correct = try Torch.withoutGradients { () throws(TorchError) in
            try logits.argmax(along: 1).equal(to: labels).sum().item()
        }
        return Result(loss: value, correct: Int(correct))
    }

    private func firstNonFiniteNode(for images: TorchTensor) throws -> String? {
        try Torch.withoutGradients {
            switch precision {
            case .fp32: try network.firstNonFiniteNode(for: images)
            case .bf16: try Torch.withAutocast(on: network.device) { try network.firstNonFiniteNode(for: images) }
            }
        }
    }

    /// Runs `body` with the averaged parameters, where the recipe keeps an average.
    func withAverages<Result>(_ body: () throws -> Result) throws -> Result {
        guard let averages else { return try body() }
        return try averages.withAverages(body)
    }
}

// MARK: - State

extension TrainingStep {
    /// Takes over what the optimiser and the average were when `state` was saved.
    func load(_ state: TrainingState) throws {
        try optimizer.load(state: try Self.tensors(state.optimizer, on: network.device))
        try averages?.load(try Self.tensors(state.averages, on: network.device))
    }

    /// All that moves, as it is now: waits for the device.
    func state(at position: TrainingState.Position) throws -> TrainingState {
        func host(_ tensors: [NamedTensor]) throws -> [String: Tensor<Float>] {
            var values: [String: Tensor<Float>] = [:]
            for element in tensors { values[element.name] = try element.tensor.host() }
            return values
        }
        return TrainingState(
            position: position, graph: network.graph, weights: try network.weights(),
            optimizer: try host(optimizer.state), averages: try host(averages?.averages ?? []))
    }

    private static func tensors(
        _ values: [String: Tensor<Float>], on device: Device
    ) throws(TorchError) -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        for (name, value) in values {
            tensors.append(NamedTensor(name: name, tensor: try TorchTensor(value, on: device)))
        }
        return tensors
    }
}
