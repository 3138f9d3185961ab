import TapestryCore

/// What a network stores and computes for one image, exactly.
///
/// Parameters are the stored trainable ones. One multiply-add is two FLOPs; only convolutions and linear layers have
/// them, and zero padding is counted as the field does: every output position does all of its taps.
public struct Count: Hashable, Sendable {
    public struct Layer: Hashable, Sendable {
        public let name: String
        public let kind: String
        public let parameters: Int
        public let macs: Int
        /// C x H x W, or a vector's length.
        public let output: Shape
    }

    /// One for each node, in the graph's order.
    public let layers: [Layer]

    /// Throws `GraphError` where the graph's shapes do not fit.
    public init(_ graph: Graph) throws(GraphError) {
        layers = zip(graph.nodes, try graph.outputShapes()).map { node, shape in
            Layer(
                name: node.name, kind: node.operation.kind,
                parameters: node.parameters.reduce(0) { $0 + ($1.role.isTrainable ? $1.shape.count : 0) },
                macs: node.operation.macs(output: shape), output: shape)
        }
    }

    public var parameters: Int { layers.reduce(0) { $0 + $1.parameters } }
    public var macs: Int { layers.reduce(0) { $0 + $1.macs } }
}

extension Operation {
    /// Multiply-adds for one image whose value has shape `output`.
    func macs(output: Shape) -> Int {
        switch self {
        case .convolution(let convolution): convolution.weightCount * output[1] * output[2]
        case .linear(let linear): linear.inputs * linear.outputs
        case .batchNorm, .relu, .maxPool, .averagePool, .globalAveragePool, .add, .padChannels, .stopGradient, .flatten: 0
        }
    }
}
