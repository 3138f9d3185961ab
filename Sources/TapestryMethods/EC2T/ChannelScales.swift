import TapestryCore

extension Model {
    /// The model with a factor and a summand for each output channel after those of the named layers that no batch norm or
    /// affine operation follows; a layer's bias becomes the summands.
    ///
    /// Ternary weights have two magnitudes for all of a layer's filters. A batch norm gives each filter back its scale; a
    /// network whose batch norms have been folded has none, and collapses when it is quantised. The factors start where the
    /// quantised filter t comes nearest to the filter w, at <w, t> / <t, t>.
    ///
    /// Throws `GraphError` where a name is taken.
    public func scalingChannels(
        of layers: [String], by method: Ternarization, from start: TernaryStart
    ) throws(GraphError) -> Model {
        var (graph, weights) = (graph, weights)
        let followed = Set(
            graph.nodes.filter { node in
                switch node.operation {
                case .batchNorm, .affine: true
                default: false
                }
            }.flatMap(\.inputs))
        for name in layers where !followed.contains(name) {
            guard let index = graph.nodes.firstIndex(where: { $0.name == name }) else { continue }
            let node = graph.nodes[index]
            guard let rows = filters(of: node) else { continue }
            let scale = Node(name: "\(name)_scale", operation: .affine(channels: rows.count), inputs: [name])
            let shape: Shape = [rows.count]
            weights.tensors["\(scale.name).weight"] = Tensor(
                shape: shape, elements: Self.factors(of: rows, by: method, from: start))
            weights.tensors["\(scale.name).bias"] =
                weights.tensors["\(name).bias"] ?? Tensor(shape: shape, repeating: 0)
            weights.tensors["\(name).bias"] = nil
            for consumer in graph.nodes.indices {
                graph.nodes[consumer].inputs = graph.nodes[consumer].inputs.map { $0 == name ? scale.name : $0 }
            }
            graph.nodes[index] = node.withoutBias
            graph.nodes.insert(scale, at: index + 1)
            if graph.outputName == name { graph.outputName = scale.name }
        }
        return try Model(graph: graph, weights: weights, facts: facts)
    }

    /// The weights of each output channel of a convolution or a linear layer; nil for other nodes.
    private func filters(of node: Node) -> [[Float]]? {
        switch node.operation {
        case .convolution(let convolution):
            let stored = convolution.storedWeights.map { weights.tensors["\(node.name).\($0.suffix)"]! }
            var rows: [[Float]] = Array(repeating: [], count: convolution.outputChannels)
            let length = convolution.channelsPerGroup * convolution.kernel.area
            convolution.forEachWeight { rows[$2 / length].append(stored[$0].elements[$1]) }
            return rows
        case .linear(let linear):
            let elements = weights.tensors["\(node.name).weight"]!.elements
            return (0..<linear.outputs).map { Array(elements[$0 * linear.inputs..<($0 + 1) * linear.inputs]) }
        default: return nil
        }
    }

    /// One where nothing of a filter is left.
    private static func factors(
        of rows: [[Float]], by method: Ternarization, from start: TernaryStart
    ) -> [Float] {
        let all = rows.flatMap { $0 }
        let levels = method.raised(method.startingLevels(start, of: all), over: all)
        return rows.map { row in
            let quantized = method.values(row, levels, method.nearest(row, levels))
            let products = zip(row, quantized).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
            let squares = quantized.reduce(0.0) { $0 + Double($1) * Double($1) }
            return products > 0 && squares > 0 ? Float(products / squares) : 1
        }
    }
}

extension Node {
    fileprivate var withoutBias: Node {
        var node = self
        switch operation {
        case .convolution(var convolution):
            convolution.hasBias = false
            node.operation = .convolution(convolution)
        case .linear(var linear):
            linear.hasBias = false
            node.operation = .linear(linear)
        default: break
        }
        return node
    }
}
