import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRuntime

/// Everything that determines a run, as `config.yaml` in its folder holds it.
public struct RunConfiguration: Equatable, Sendable {
    public enum Precision: String, CaseIterable, Sendable {
        case fp32
        /// float32, but for the factors of convolutions and products of matrices, which are rounded to TF32: on GPUs only.
        case tf32
        /// bfloat16 where that is safe (autocast); parameters, batch-norm statistics and the loss stay float32.
        case bf16
    }

    public enum InitialWeights: String, CaseIterable, Sendable {
        /// What the network's paper says, drawn from the seed.
        case random
        /// The hash rule of `Weights.hashed(for:gain:)`, for comparison with other programs.
        case hash
    }

    /// `family/network`, or the path of a model file whose graph is taken.
    public var architecture: String
    /// Methods by layer; empty for the network as it is.
    public var methods: [MethodAssignment.Rule] = []
    public var classes: Int
    public var imageSize: Int
    public var channels: Int
    /// What the network's variant is; its classes and the images' extents stand above.
    public var variant = NetworkOptions()

    /// The data set's directory.
    public var data: String
    public var dataset: DatasetKind
    /// Take only the first images of the training split.
    public var trainingLimit: Int?
    /// Take only the first images of the test split.
    public var testLimit: Int?
    /// How many images may be unreadable; nil for `UnreadableImages.defaultLimit`.
    public var unreadableLimit: Int?

    public var seed: UInt64 = 1
    public var initialWeights = InitialWeights.random
    /// The model file or checkpoint whose network and weights the run starts from; nil for `initialWeights`.
    public var model: String?
    /// "cpu" or "cuda:0".
    public var device = "cpu"
    public var precision = Precision.fp32
    /// What computes on the CPU; nil for the default.
    public var engine: TrainingEngine?
    /// Threads that compute. Sums are split among them, so the result's last bits depend on their number.
    public var threads = 1
    public var recipe: Recipe
    /// How layers are quantised as they are trained; nil where none are.
    public var ternarization: TernarizationSettings?

    public init(
        architecture: String, classes: Int, imageSize: Int, channels: Int, data: String, dataset: DatasetKind,
        recipe: Recipe
    ) {
        self.architecture = architecture
        self.classes = classes
        self.imageSize = imageSize
        self.channels = channels
        self.data = data
        self.dataset = dataset
        self.recipe = recipe
    }
}

extension RunConfiguration {
    /// The network with its methods. Throws `UnknownArchitecture`, `GraphError`, `MethodError`, or what reading a model
    /// file throws.
    public func graph() throws -> Graph {
        let assignment = methods.isEmpty ? nil : MethodAssignment(rules: methods)
        guard let architecture = try? Zoo.architecture(named: architecture) else {
            let graph = try ModelFile.read(architecture).graph
            return try assignment?.apply(to: graph) ?? graph
        }
        var options = variant
        (options.classes, options.imageSize, options.channels) = (classes, imageSize, channels)
        return try assignment?.network(of: architecture, options) ?? architecture.graph(options)
    }
}

extension RunConfiguration {
    /// The methods in one line: `ask:ASK_5a`, `layer1.*=ask:ASK_2 *=dense`, or `dense`.
    public var methodText: String { MethodAssignment(rules: methods).text }
}
