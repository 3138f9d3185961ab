import TapestryCore

/// A way of making convolutions cheap: a rewrite of one convolution of a graph into primitive operations.
///
/// A method is a folder and a line in `Methods.kinds`; it never adds an operation. `Docs/adding-a-method.md` builds one.
public protocol Method: Sendable {
    /// The word before the colon on the command line: "ask" in `ask:ASK_5a`.
    static var name: String { get }
    /// What may follow the colon, and what the method does, in one line.
    static var summary: String { get }
    /// When it acts among the methods that one layer gets.
    static var stage: MethodStage { get }

    /// The method that `argument`, the text after the colon, asks for. Throws `MethodError` where it makes no sense.
    init(argument: String?) throws(MethodError)

    /// What stands in the place of a convolution. Nil where the method leaves such a convolution alone by design. Throws
    /// `MethodError` with the reason where it cannot be applied.
    func rewrite(_ site: ConvolutionSite) throws(MethodError) -> Replacement?
}

/// When a method acts: whatever order a text names them in, a layer's methods act stage by stage, each on the
/// convolutions that the one before has left, and a layer gets one method of a stage at most.
public enum MethodStage: Int, Comparable, CaseIterable, Sendable {
    /// Puts other layers in the place of the convolution.
    case structure
    /// Says which weights a convolution has.
    case support
    /// Trains a convolution as a sum of several.
    case branches

    public static func < (a: MethodStage, b: MethodStage) -> Bool { a.rawValue < b.rawValue }
}

/// A convolution with its surroundings in the graph.
public struct ConvolutionSite: Sendable {
    public let node: Node
    public let convolution: Convolution
    /// The batch norm that alone takes the convolution's value and belongs to the same layer: not the first step of
    /// the layer after, as in networks that normalise before they convolve.
    public let batchNorm: Node?
    /// Whether the layer, beside the convolution, has an activation of its own, "X.relu" beside "X.conv".
    public let hasOwnActivation: Bool

    /// Whether the convolution reads the network's images.
    public var readsImages: Bool { node.inputs == [Graph.inputName] }

    /// Whether the layer's own activation comes before the convolution, as in BN-ReLU-convolution layers.
    public var activatesFirst: Bool { hasOwnActivation && node.inputs == ["\(layerName).relu"] }

    /// The name of the layer that the convolution is part of: "X" of "X.conv", its own where it stands alone.
    public var layerName: String {
        node.name.hasSuffix(Self.suffix) ? String(node.name.dropLast(Self.suffix.count)) : node.name
    }

    private static let suffix = ".conv"

    /// Precondition: `node` is a convolution of `graph`.
    init?(_ node: Node, in graph: Graph, consumers: [String: [Node]]) {
        guard case .convolution(let convolution) = node.operation else { return nil }
        self.node = node
        self.convolution = convolution
        let isPart = node.name.hasSuffix(Self.suffix)
        let layer = isPart ? String(node.name.dropLast(Self.suffix.count)) : node.name
        var batchNorm: Node?
        if let following = consumers[node.name], following.count == 1, graph.outputName != node.name,
            case .batchNorm = following[0].operation, !isPart || following[0].name == "\(layer).bn"
        {
            batchNorm = following[0]
        }
        self.batchNorm = batchNorm
        hasOwnActivation = isPart && graph.node(named: "\(layer).relu") != nil
    }
}

/// What a method puts in the place of a convolution: the value of the last node stands for its value.
public struct Replacement: Sendable {
    public var nodes: [Node]
    /// Whether it also stands for the convolution's `batchNorm`, which then goes.
    public var replacesBatchNorm: Bool

    /// Precondition: `nodes` is not empty.
    public init(_ nodes: [Node], replacesBatchNorm: Bool = false) {
        precondition(!nodes.isEmpty)
        self.nodes = nodes
        self.replacesBatchNorm = replacesBatchNorm
    }
}

/// Why a method cannot do what was asked.
public struct MethodError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// The network as it is.
struct Dense: Method {
    static let name = "dense"
    static let summary = "dense: the convolution as it is"
    static let stage = MethodStage.structure

    init(argument: String?) throws(MethodError) {
        guard argument == nil else { throw MethodError("dense takes no argument") }
    }

    func rewrite(_ site: ConvolutionSite) -> Replacement? { nil }
}
