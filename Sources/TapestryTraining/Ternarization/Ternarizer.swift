import TapestryCore
import TapestryMethods
import TapestryRecipes
import TapestryTorch

/// Trains the weights of some layers as entropy-constrained ternarization does, beside the optimiser that moves the rest.
///
/// Its two optimisers are Adams, as published: one moves the full-precision weights at the recipe's rate, one the levels
/// at their own; neither decays.
final class Ternarizer {
    let layers: [TernaryLayer]
    private let fixedParameters: [TorchTensor]
    private let settings: TernarizationSettings
    private let weightOptimizer: Adam
    private let levelOptimizer: Adam
    /// The parameters that the recipe's optimiser does not move.
    let ownParameters: Set<String>

    /// Quantises the layers of the network that `settings` name, starting from the weights that it has.
    ///
    /// Throws `RunError.unsuitable` for a layer that is not there or has no weights.
    init(_ network: TorchNetwork, _ settings: TernarizationSettings, recipe: Recipe) throws {
        func parameters(of layer: String) throws -> [TorchNetwork.TrainedParameter] {
            let parameters = network.weightParameters(of: layer)
            guard !parameters.isEmpty else { throw RunError.unsuitable("\"\(layer)\" is no layer with weights") }
            return parameters
        }
        guard recipe.emaDecay == nil else {
            throw RunError.unsuitable("an average of quantised weights is not quantised; leave out ema-decay")
        }
        let named = try settings.layers.map { (name: $0, parameters: try parameters(of: $0)) }
        let counts = try named.map { try TernaryLayer.weightCount(of: $0.parameters) }
        self.settings = settings
        layers = try zip(named, counts).map { layer, count in
            try TernaryLayer(
                layer.name, layer.parameters, method: settings.method, start: settings.startingLevels,
                constraint: EntropyConstraint(
                    share: settings.lambdaShare,
                    decay: EntropyConstraint.decay(layer: count, largest: counts.max() ?? 0)))
        }
        let fixed = try settings.fixedLayers.flatMap(parameters)
        ownParameters = Set(named.flatMap { $0.parameters.map(\.name) } + fixed.map(\.name))
        weightOptimizer = try Adam(groups: [ParameterGroup(parameters: layers.flatMap(\.weights))])
        levelOptimizer = try Adam(groups: [
            ParameterGroup(
                parameters: layers.map(\.levelParameter),
                learningRateFactor: settings.levelLearningRate / max(recipe.learningRate, .leastNormalMagnitude))
        ])
        fixedParameters = fixed.map(\.value)
    }

    /// Whether the assignment stands still in an epoch, counted from 0.
    func isFrozen(inEpoch epoch: Int) -> Bool { epoch >= settings.assigningEpochs }

    /// After `backward`, before anything is moved.
    func takeGradients() throws {
        for layer in layers { try layer.takeGradients() }
        for parameter in fixedParameters { try parameter.setGrad(nil) }
    }

    /// Moves the weights, unless their assignment stands still, and the levels, and quantises anew.
    func step(learningRate: Double, isFrozen: Bool) throws {
        if !isFrozen { try weightOptimizer.step(learningRate: learningRate) }
        if settings.levelLearningRate > 0 { try levelOptimizer.step(learningRate: learningRate) }
        // Nothing has moved, and what is already there may have levels below the least.
        if isFrozen, settings.levelLearningRate == 0 { return }
        for layer in layers { try layer.requantize(assigning: !isFrozen) }
    }

    /// Takes the assignment of the weights that the network has for good, with optimisers that start anew.
    func freeze() throws {
        for layer in layers { try layer.adoptNetworkWeights() }
        try weightOptimizer.reset()
        try levelOptimizer.reset()
    }

    /// Everything that the next step depends on beside the network, sharing memory.
    var state: [NamedTensor] { layers.flatMap(\.state) + weightOptimizer.state + levelOptimizer.state }

    /// Takes over a `state` saved before. Throws unless names and shapes are those of this one.
    func load(state saved: [NamedTensor]) throws {
        try state.copy(from: saved, for: "state of the ternarization")
        try stateDidLoad()
    }

    /// After `state` has been written to.
    func stateDidLoad() throws {
        for layer in layers { try layer.stateDidLoad() }
    }
}
