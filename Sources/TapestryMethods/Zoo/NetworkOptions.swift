import TapestryCore

/// What a network is built for; nil means the network's own default.
public struct NetworkOptions: Hashable, Sendable {
    /// By what a plain residual network is made smaller.
    public enum ReductionMode: String, CaseIterable, Sendable {
        /// All widths, divided by the square root of the reduction.
        case net
        /// The inner width of every block, divided by the reduction.
        case block
    }

    public var classes: Int?
    /// Height and width of the images.
    public var imageSize: Int?
    /// Channels of the images.
    public var channels: Int?
    /// How many times smaller; see `ReductionMode`.
    public var reduction: Double?
    public var reductionMode: ReductionMode?
    /// Of compound scaling: alpha^phi, by which the number of blocks is multiplied.
    public var depthMultiplier: Double?
    /// Of compound scaling: beta^phi, by which the widths are multiplied.
    public var widthMultiplier: Double?
    /// The widths of the convolutions, where the paper leaves them open.
    public var widths: [Int]?
    /// The probability with which a value is dropped in training.
    public var dropout: Double?
    /// Where the published program departs from what the paper plainly means: the plain meaning.
    public var isCorrected = false

    public init(classes: Int? = nil, imageSize: Int? = nil, channels: Int? = nil) {
        self.classes = classes
        self.imageSize = imageSize
        self.channels = channels
    }

    func inputShape(defaultSize: Int, defaultChannels: Int = 3) -> Shape {
        let size = imageSize ?? defaultSize
        return [channels ?? defaultChannels, size, size]
    }
}

/// The options that only some networks take, by their names on the command line.
public enum NetworkOption: String, CaseIterable, Sendable {
    case reduction
    case reductionMode = "reduction-mode"
    case depthMultiplier = "depth-multiplier"
    case widthMultiplier = "width-multiplier"
    case widths
    case dropout
    case corrected
}

extension NetworkOptions {
    /// Those of `NetworkOption` that are given.
    public var given: Set<NetworkOption> {
        var given: Set<NetworkOption> = []
        if reduction != nil { given.insert(.reduction) }
        if reductionMode != nil { given.insert(.reductionMode) }
        if depthMultiplier != nil { given.insert(.depthMultiplier) }
        if widthMultiplier != nil { given.insert(.widthMultiplier) }
        if widths != nil { given.insert(.widths) }
        if dropout != nil { given.insert(.dropout) }
        if isCorrected { given.insert(.corrected) }
        return given
    }

    /// Throws `GraphError` for a value that no network can have, and for an option that `architecture` does not take.
    func check(for architecture: Architecture) throws(GraphError) {
        func require(_ isPossible: Bool, _ reason: String) throws(GraphError) {
            if !isPossible { throw GraphError(node: Graph.inputName, reason: reason) }
        }
        for (option, value) in [("--classes", classes), ("--image-size", imageSize), ("--channels", channels)] {
            try require((1...65_536).contains(value ?? 1), "\(option) \(value ?? 0) is not within 1...65536")
        }
        for option in NetworkOption.allCases where given.contains(option) && !architecture.options.contains(option) {
            throw GraphError(
                node: Graph.inputName, reason: "\(architecture.name) takes no --\(option.rawValue)")
        }
        try require((1...1024).contains(reduction ?? 1), "--reduction \(reduction ?? 0) is not within 1...1024")
        try require(
            reductionMode == nil || reduction != nil,
            "--reduction-mode says by what --reduction makes the network smaller; give that too")
        for (option, value) in [("depth", depthMultiplier), ("width", widthMultiplier)] {
            try require(
                (0.01...100).contains(value ?? 1), "--\(option)-multiplier \(value ?? 0) is not within 0.01...100")
        }
        try require((0..<1).contains(dropout ?? 0), "--dropout \(dropout ?? 0) is not within 0..<1")
        try require((widths ?? [1]).allSatisfy((1...65_536).contains), "--widths are not within 1...65536")
    }
}
