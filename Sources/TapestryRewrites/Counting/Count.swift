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
    public let parameters: Int
    public let macs: Int

    /// Throws `GraphError` where the graph's shapes do not fit or a number is too large to count.
    public init(_ graph: Graph) throws(GraphError) {
        var layers: [Layer] = []
        var (parameters, macs) = (CheckedTotal(), CheckedTotal())
        for (node, shape) in zip(graph.nodes, try graph.outputShapes()) {
            let (parametersBefore, macsBefore) = (parameters.value, macs.value)
            for parameter in node.parameters where parameter.role.isTrainable {
                try parameters.add(parameter.shape.count, at: node)
            }
            switch node.operation {
            case .convolution(let convolution):
                try macs.add(convolution.weightCount, times: shape[1] * shape[2], at: node)
            case .linear(let linear): try macs.add(linear.inputs, times: linear.outputs, at: node)
            case .batchNorm, .affine, .relu, .sigmoid, .swish, .maxPool, .averagePool, .globalAveragePool, .add,
                .scaleChannels, .shift, .padChannels, .stopGradient, .dropout, .dropBranch, .flatten:
                break
            }
            layers.append(
                Layer(
                    name: node.name, kind: node.operation.kind, parameters: parameters.value - parametersBefore,
                    macs: macs.value - macsBefore, output: shape))
        }
        self.layers = layers
        self.parameters = parameters.value
        self.macs = macs.value
    }
}

/// A sum of products that says where it gets too large: each factor of a verified graph is bounded, products are not.
struct CheckedTotal {
    private(set) var value: Int

    init(value: Int = 0) { self.value = value }

    /// Throws `GraphError` naming `node` where the sum overflows.
    mutating func add(_ count: Int, times factor: Int = 1, at node: Node) throws(GraphError) {
        let (product, isProductTooLarge) = count.multipliedReportingOverflow(by: factor)
        let (sum, isSumTooLarge) = value.addingReportingOverflow(product)
        guard !isProductTooLarge, !isSumTooLarge else {
            throw GraphError(node: node.name, reason: "here the count exceeds \(Int.max)")
        }
        value = sum
    }
}
