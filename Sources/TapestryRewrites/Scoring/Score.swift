import TapestryCore

/// What a network stores and computes for one image, as the MicroNet challenge (NeurIPS 2019) weighs it: a parameter is 32
/// bits, and an operation is one of 32 bits, so that a number of 16 bits is half a parameter and multiplying two of them
/// half an operation.
public struct Score: Hashable, Sendable {
    /// A node of the graph.
    public struct Layer: Hashable, Sendable {
        public let name: String
        /// Stored numbers: those counted in `Group.parameters`, without what a published group adds for biases.
        public let parameters: Int
        /// Weights that are not zero; `parameters` where the node has no weights of its own.
        public let nonzeros: Int
        public let isTernary: Bool
        /// Filters that put out nothing, by the convention's own rule.
        public let deadOutputs: Int
        /// In parameters of 32 bits.
        public let scoringParameters: Double
        /// The format that is the smallest; nil for nodes without weights.
        public let format: StorageFormat?
        /// In operations of 32 bits.
        public let multiplications: Double
        public let additions: Double
    }

    /// Layers that are counted together.
    public struct Group: Hashable, Sendable {
        public let name: String
        public let layers: [Layer]
        public let parameters: Int
        /// In parameters of 32 bits, rounded as the convention does.
        public let scoringParameters: Double
        public let bytes: Double
        /// In operations of 32 bits.
        public let multiplications: Double
        public let additions: Double
    }

    public let groups: [Group]
    /// All trainable parameters of the network and, of those, the zeros; counted or not.
    public let allParameters: Int
    public let zeros: Int
    /// How the convention differs from the other one, a line each.
    public let departures: [String]

    /// Those that the convention counts.
    public var parameters: Int { groups.reduce(0) { $0 + $1.parameters } }
    public var scoringParameters: Double { groups.reduce(0) { $0 + $1.scoringParameters } }
    public var bytes: Double { groups.reduce(0) { $0 + $1.bytes } }
    public var multiplications: Double { groups.reduce(0) { $0 + $1.multiplications } }
    public var additions: Double { groups.reduce(0) { $0 + $1.additions } }
    public var operations: Double { multiplications + additions }
    /// The share of zeros among all parameters, biases and batch norms included.
    public var sparsity: Double { allParameters == 0 ? 0 : Double(zeros) / Double(allParameters) }

    /// The challenge's score: parameters and operations as shares of the task's reference network, summed.
    public func value(for task: ScoringTask) -> Double {
        scoringParameters / task.referenceParameters + operations / task.referenceOperations
    }
}

/// A task of the MicroNet challenge: what 1 is worth.
public enum ScoringTask: String, CaseIterable, Sendable {
    /// Wide ResNet-28-10 on CIFAR-100.
    case cifar
    /// MobileNetV2 1.4 on ImageNet.
    case imagenet

    public var referenceParameters: Double {
        switch self {
        case .cifar: 36.5e6
        case .imagenet: 6.9e6
        }
    }

    public var referenceOperations: Double {
        switch self {
        case .cifar: 10.49e9
        case .imagenet: 1170e6
        }
    }
}

/// How many bits a weight has: those of half or of single precision.
public enum ScoringPrecision: Int, CaseIterable, Sendable {
    case half = 16
    case single = 32
}

/// Why a network cannot be scored by a convention.
public struct ScoringError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

extension Model {
    /// All trainable parameters, and how many of them are zero.
    var zeroCount: (parameters: Int, zeros: Int) {
        var (parameters, zeros) = (0, 0)
        for parameter in graph.parameters where parameter.role.isTrainable {
            guard let elements = weights.tensors[parameter.name]?.elements else { continue }
            parameters += elements.count
            zeros += elements.count { $0 == 0 }
        }
        return (parameters, zeros)
    }
}
