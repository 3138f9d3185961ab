/// Builds a graph in the order in which a paper's figure is read.
///
///     let graph = try Graph.build(input: [3, 32, 32]) { image in
///         image.convolution("conv1", to: 16, kernel: 3, padding: 1).batchNorm("bn1").relu()
///             .globalAveragePool().linear("fc", to: 10)
///     }
///
/// Shapes are inferred on the way. The first mistake is kept and thrown by `build`, so a figure needs no `try`.
public final class GraphBuilder {
    fileprivate var nodes: [Node] = []
    fileprivate var firstError: GraphError?

    fileprivate init() {}

    /// A value in a network under construction.
    public struct Value {
        fileprivate let builder: GraphBuilder
        public let name: String
        public let shape: Shape

        /// The number of channels (or a vector's length).
        public var channels: Int { shape.rank > 0 ? shape[0] : 0 }
    }

    fileprivate func append(_ operation: Operation, named name: String, of inputs: [Value]) -> Value {
        let node = Node(name: name, operation: operation, inputs: inputs.map(\.name))
        nodes.append(node)
        guard firstError == nil else { return Value(builder: self, name: name, shape: inputs[0].shape) }
        do {
            return Value(builder: self, name: name, shape: try node.outputShape(of: inputs.map(\.shape)))
        } catch {
            firstError = error
            return Value(builder: self, name: name, shape: inputs[0].shape)
        }
    }
}

extension Graph {
    /// The verified graph whose output is what `body` makes of the input. Throws `GraphError` naming the first node that
    /// does not fit.
    public static func build(
        input shape: Shape, _ body: (GraphBuilder.Value) -> GraphBuilder.Value
    ) throws(GraphError) -> Graph {
        try shape.verifyAsInput()
        let builder = GraphBuilder()
        let output = body(GraphBuilder.Value(builder: builder, name: Graph.inputName, shape: shape))
        if let error = builder.firstError { throw error }
        let graph = Graph(inputShape: shape, nodes: builder.nodes, outputName: output.name)
        try Verifier.verify(graph)
        return graph
    }
}

extension GraphBuilder.Value {
    /// Any operation on this value and, where it takes two, on `other`.
    public func applying(_ operation: Operation, named name: String, with other: Self? = nil) -> Self {
        builder.append(operation, named: name, of: [self] + (other.map { [$0] } ?? []))
    }

    /// A square dense convolution with the same padding on all sides.
    public func convolution(
        _ name: String, to channels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, groups: Int = 1,
        hasBias: Bool = false, initialization: Initialization = .fanInUniform, bias: Initialization = .constant(0)
    ) -> Self {
        applying(
            .convolution(
                Convolution(
                    inputChannels: self.channels, outputChannels: channels, kernel: .square(kernel),
                    stride: .square(stride), padding: .all(padding), groups: groups, hasBias: hasBias,
                    weightInitialization: initialization, biasInitialization: bias)),
            named: name)
    }

    public func batchNorm(_ name: String, weight: Initialization = .constant(1)) -> Self {
        applying(.batchNorm(BatchNorm(channels: channels, weightInitialization: weight)), named: name)
    }

    public func affine(_ name: String) -> Self { applying(.affine(channels: channels), named: name) }

    public func linear(
        _ name: String, to outputs: Int, weight: Initialization = .fanInUniform, bias: Initialization = .fanInUniform
    ) -> Self {
        applying(
            .linear(
                Linear(inputs: channels, outputs: outputs, weightInitialization: weight, biasInitialization: bias)),
            named: name)
    }

    public func relu(_ name: String? = nil) -> Self { applying(.relu, named: name ?? "\(self.name).relu") }

    public func sigmoid(_ name: String? = nil) -> Self { applying(.sigmoid, named: name ?? "\(self.name).sigmoid") }

    public func swish(_ name: String? = nil) -> Self { applying(.swish, named: name ?? "\(self.name).swish") }

    public func maxPool(_ name: String, kernel: Int, stride: Int? = nil, padding: Int = 0) -> Self {
        applying(.maxPool(pooling(kernel, stride, padding)), named: name)
    }

    public func averagePool(_ name: String, kernel: Int, stride: Int? = nil, padding: Int = 0) -> Self {
        applying(.averagePool(pooling(kernel, stride, padding)), named: name)
    }

    private func pooling(_ kernel: Int, _ stride: Int?, _ padding: Int) -> Pooling {
        Pooling(kernel: .square(kernel), stride: .square(stride ?? kernel), padding: .all(padding))
    }

    public func globalAveragePool(_ name: String = "pool") -> Self { applying(.globalAveragePool, named: name) }

    public func adding(_ other: Self, named name: String) -> Self { applying(.add, named: name, with: other) }

    /// This image's channels, each times its factor in the vector `factors`.
    public func scalingChannels(by factors: Self, named name: String) -> Self {
        applying(.scaleChannels, named: name, with: factors)
    }

    public func shift(_ name: String, kernel: Int = 3, dilation: Int = 1) -> Self {
        applying(.shift(Shift(kernel: kernel, dilation: dilation)), named: name)
    }

    public func dropout(_ name: String, probability: Double) -> Self {
        applying(.dropout(probability: probability), named: name)
    }

    public func dropBranch(_ name: String, probability: Double) -> Self {
        applying(.dropBranch(probability: probability), named: name)
    }

    public func paddingChannels(_ name: String, before: Int = 0, after: Int = 0) -> Self {
        applying(.padChannels(before: before, after: after), named: name)
    }

    public func stoppingGradient(_ name: String) -> Self { applying(.stopGradient, named: name) }

    public func flatten(_ name: String = "flatten") -> Self { applying(.flatten, named: name) }
}
