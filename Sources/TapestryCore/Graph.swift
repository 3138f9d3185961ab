/// One application of an operation: its name is that of its PyTorch module, so that `name.weight` is the state-dict key.
public struct Node: Hashable, Sendable {
    public var name: String
    public var operation: Operation
    /// The names of the nodes whose values it takes, `Graph.inputName` for the network's input.
    public var inputs: [String]

    public init(name: String, operation: Operation, inputs: [String]) {
        self.name = name
        self.operation = operation
        self.inputs = inputs
    }
}

/// A network: nodes in an order in which each comes after those it takes values from.
///
/// Shapes are those of one image (C x H x W, or a vector's length); every operation works on any number of images.
public struct Graph: Hashable, Sendable {
    /// The name under which nodes refer to the network's input.
    public static let inputName = "input"

    /// C x H x W.
    public var inputShape: Shape
    public var nodes: [Node]
    /// The name of the node whose value is the network's.
    public var outputName: String

    public init(inputShape: Shape, nodes: [Node], outputName: String) {
        self.inputShape = inputShape
        self.nodes = nodes
        self.outputName = outputName
    }

    public func node(named name: String) -> Node? { nodes.first { $0.name == name } }

    /// The shape of every node's value, in the order of `nodes`. Throws `GraphError` naming the first node that does not
    /// fit what it is given or is impossible in itself.
    public func outputShapes() throws(GraphError) -> [Shape] {
        try inputShape.verifyAsInput()
        var known = [Self.inputName: inputShape]
        var shapes: [Shape] = []
        for node in nodes {
            var inputs: [Shape] = []
            for name in node.inputs {
                guard let shape = known[name] else {
                    throw GraphError(node: node.name, reason: "takes \"\(name)\", which no earlier node makes")
                }
                inputs.append(shape)
            }
            let shape = try node.outputShape(of: inputs)
            known[node.name] = shape
            shapes.append(shape)
        }
        return shapes
    }

    /// The length of the network's output vector. Throws `GraphError` where shapes do not fit or the output is no vector.
    public func classCount() throws(GraphError) -> Int {
        let shapes = try outputShapes()
        guard let index = nodes.firstIndex(where: { $0.name == outputName }), shapes[index].rank == 1 else {
            throw GraphError(node: outputName, reason: "is not a vector of class scores")
        }
        return shapes[index][0]
    }
}

/// What is wrong with a graph, or with the values given to it, and at which node.
public struct GraphError: Error, Equatable, Sendable, CustomStringConvertible {
    public let node: String
    public let reason: String

    public init(node: String, reason: String) {
        self.node = node
        self.reason = reason
    }

    public var description: String { "node \"\(node)\": \(reason)" }
}

extension Graph {
    /// How many of its nodes are convolutions.
    public var convolutionCount: Int {
        nodes.count { if case .convolution = $0.operation { true } else { false } }
    }

    /// The shape of every value for one image, by the name of its node; that of the input too.
    public func valueShapes() throws(GraphError) -> [String: Shape] {
        Dictionary(
            uniqueKeysWithValues: zip([Graph.inputName] + nodes.map(\.name), [inputShape] + (try outputShapes())))
    }
}
