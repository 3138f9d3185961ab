import TapestryCore
import TapestryRecipes
import struct TapestryFormats.TrainingState
import TapestryTorch

/// A network, its optimiser and the average of its parameters, and the step that moves all three.
public final class TrainingStep {
    public let network: TorchNetwork
    let optimizer: any Optimizer
    let averages: ExponentialMovingAverage?
    let ternarizer: Ternarizer?
    private let group: ProcessGroup?
    private let reducer: GradientReducer?
    private let recipe: Recipe
    private let precision: RunConfiguration.Precision

    /// What a step found, of the images of all processes as it was given them.
    public struct Result {
        /// The batch's mean loss.
        public let loss: Double
        /// How many images the network put first in their class.
        public let correct: Int
        /// Whether a process has asked to stop after this step.
        public let isLast: Bool
        /// Whether a process has something to tell the others.
        public let hasNews: Bool
    }

    /// With `ternarization` the network's layers that it names are quantised from now on. The processes of `group` make
    /// the same steps together, each with its share of the images, from what `adoptFirst` has given them.
    public init(
        _ network: TorchNetwork, recipe: Recipe, precision: RunConfiguration.Precision,
        ternarization: TernarizationSettings? = nil, group: ProcessGroup? = nil
    ) throws {
        self.group = group
        self.network = network
        self.recipe = recipe
        self.precision = precision
        ternarizer = try ternarization.map { try Ternarizer(network, $0, recipe: recipe) }
        optimizer = try recipe.makeOptimizer(for: network, excluding: ternarizer?.ownParameters ?? [])
        averages = try recipe.emaDecay.map {
            try ExponentialMovingAverage(parameters: network.namedParameters + network.namedStatistics, decay: $0)
        }
        reducer = try group.map { try GradientReducer(network.parameters.map(\.value), in: $0) }
        network.batchNormGroup = recipe.syncBatchNorm ? group : nil
    }

    /// Moves the parameters once, by the mean loss of N x C x H x W `images` whose classes are `labels` (int64). In an
    /// epoch (from 0) in which the assignment of quantised weights stands still, only their levels move.
    ///
    /// In a group these are one process's share, perhaps none, of a batch of `wholeCount` images, and the mean is over
    /// all of it; `stopping` is asked late, and where it or `hasNews` is true all processes learn of it. Throws
    /// `LossNotFinite` before anything is moved by such a loss.
    public func callAsFunction(
        _ images: TorchTensor, _ labels: TorchTensor, wholeCount: Int? = nil, learningRate: Double, epoch: Int = 0,
        hasNews: Bool = false, stopping: () -> Bool = { false }
    ) throws -> Result {
        let logits = try network.logits(of: images, mode: .training, precision: precision)
        let correct = try Torch.withoutGradients { () throws(TorchError) in
            try logits.argmax(along: 1).equal(to: labels).sum().item()
        }
        try optimizer.clearGradients()
        let result: Result
        if let group, let reducer {
            result = try backward(
                group, reducer, logits, images, labels, wholeCount: wholeCount ?? images.shape[0] * group.size,
                correct: correct, hasNews: hasNews, stopping: stopping)
        } else {
            let loss = try backward(logits, images, labels)
            result = Result(loss: loss, correct: Int(correct), isLast: stopping(), hasNews: hasNews)
        }
        try network.maskGradients()
        if let maximum = recipe.gradientClip {
            try Torch.clipGradientNorm(of: network.parameters.map(\.value), to: maximum)
        }
        try ternarizer?.takeGradients()
        try optimizer.step(learningRate: learningRate)
        if let ternarizer {
            try ternarizer.step(learningRate: learningRate, isFrozen: ternarizer.isFrozen(inEpoch: epoch))
        }
        try averages?.update()
        return result
    }

    /// Makes the gradients of the batch's mean loss, and returns that.
    private func backward(_ logits: TorchTensor, _ images: TorchTensor, _ labels: TorchTensor) throws -> Double {
        let loss = try logits.crossEntropy(targets: labels, labelSmoothing: recipe.labelSmoothing)
        let value = try loss.item()
        guard value.isFinite else {
            throw LossNotFinite(node: try firstNonFiniteNode(for: images) ?? network.graph.outputName)
        }
        try loss.backward()
        return value
    }

    /// Makes the gradients of the mean loss over the images of all processes, and adds up what they found.
    private func backward(
        _ group: ProcessGroup, _ reducer: GradientReducer, _ logits: TorchTensor, _ images: TorchTensor,
        _ labels: TorchTensor, wholeCount: Int, correct: Double, hasNews: Bool, stopping: () -> Bool
    ) throws -> Result {
        // Of these losses, the mean over the processes is the mean over the images, however they are shared.
        let loss = try logits.crossEntropy(
            targets: labels, labelSmoothing: recipe.labelSmoothing, reduction: .sum
        ).multiply(by: Double(group.size) / Double(wholeCount))
        let value = try loss.item()
        try reducer.backward(loss)
        let sums = try group.reduced([value / Double(group.size), correct, stopping() ? 1 : 0, hasNews ? 1 : 0])
        guard sums[0].isFinite else {
            let node = value.isFinite ? nil : try firstNonFiniteNode(for: images)
            throw LossNotFinite(node: try group.first(node, in: network.graph))
        }
        return Result(loss: sums[0], correct: Int(sums[1]), isLast: sums[2] > 0, hasNews: sums[3] > 0)
    }

    /// Takes over from rank 0 all that moves.
    func adoptFirst() throws {
        guard let group else { return }
        try Torch.withoutGradients {
            try group.broadcast(network.parameters.map(\.value))
            try adoptFirstStatistics()
            let others = optimizer.state + (averages?.averages ?? []) + (ternarizer?.state ?? [])
            try group.broadcast(others.map(\.tensor))
        }
        try ternarizer?.stateDidLoad()
    }

    /// Takes over from rank 0 the batch norms' running statistics. Those of the others, which have seen other images
    /// where batch norms are not synchronised, never count: so they need not be saved.
    func adoptFirstStatistics() throws { try group?.broadcast(network.namedStatistics.map(\.tensor)) }

    /// Makes the next step that of a new optimiser.
    func resetOptimizer() throws { try optimizer.reset() }

    /// Goes on from a network of earlier epochs, the assignment of whose quantised weights now stands still.
    package func freeze(_ weights: Weights) throws {
        try network.load(weights)
        try ternarizer?.freeze()
        try optimizer.reset()
    }

    private func firstNonFiniteNode(for images: TorchTensor) throws -> String? {
        try Torch.withoutGradients {
            switch precision {
            case .fp32, .tf32: try network.firstNonFiniteNode(for: images)
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
        try optimizer.load(state: try tensors(state.optimizer))
        try averages?.load(try tensors(state.averages))
        guard let ternarizer else { return }
        try ternarizer.load(state: try tensors(state.ternarization))
        // To be made it has quantised the weights that it was given, as if they were the first.
        try network.load(state.weights)
    }

    /// All that moves, as it is now: waits for the device.
    func state(at position: TrainingState.Position) throws -> TrainingState {
        TrainingState(
            position: position, graph: network.graph, weights: try network.weights(),
            optimizer: try stored(optimizer.state), averages: try stored(averages?.averages ?? []),
            ternarization: try stored(ternarizer?.state ?? []))
    }

    /// The full-precision weights of the quantised layers, by state-dict key. Waits for the device.
    package var fullPrecisionWeights: [String: Tensor<Float>] {
        get throws { try stored(ternarizer?.layers.flatMap(\.weights) ?? [])["", default: [:]] }
    }

    /// The values of tensors that belong to parameters, by kind ("momentum_buffer"; "" for an average) and state-dict
    /// key, in the form in which a model stores the parameters: however a convolution is computed when they are loaded.
    private func stored(_ tensors: [NamedTensor]) throws -> [String: [String: Tensor<Float>]] {
        let names = Set(network.parameters.map(\.name))
        var values: [String: [String: Tensor<Float>]] = [:]
        for element in tensors {
            let (owner, kind) = Self.split(element.name, owners: names)
            values[kind, default: [:]][owner] = try element.tensor.host()
        }
        return values.mapValues(network.gathered)
    }

    private func tensors(_ values: [String: [String: Tensor<Float>]]) throws -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        for (kind, stored) in values {
            for (owner, value) in try network.scattered(stored) {
                tensors.append(
                    NamedTensor(
                        name: kind.isEmpty ? owner : "\(owner).\(kind)",
                        tensor: try TorchTensor(value, on: network.device)))
            }
        }
        return tensors
    }

    /// "conv1.weight.exp_avg" is the "exp_avg" of "conv1.weight"; "conv1.weight" and "bn.running_mean" are themselves.
    private static func split(_ name: String, owners: Set<String>) -> (owner: String, kind: String) {
        guard !owners.contains(name), let dot = name.lastIndex(of: "."), owners.contains(String(name[..<dot])) else {
            return (name, "")
        }
        return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }
}
