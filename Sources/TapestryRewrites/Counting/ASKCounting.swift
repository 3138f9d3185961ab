import TapestryCore

/// How "ASKs: Convolution with any-shape kernels" counts.
extension CountingConvention {
    /// The convention of ASKs' table of VGG networks, whose "FLOPs" are multiply-adds plus 1 per bias of a linear layer, 2
    /// per value of a 2D batch norm, 1 per value of a ReLU and a window's area per value of a max pool.
    public static let askVGG = CountingConvention(explanation: "\(askExplanation) a max pool") {
        graph throws(GraphError) in
        try countAsASK(graph, withFinalPool: false)
    }

    /// The same for ResNet, whose final average pool counts as well. Those of the shortcuts do not: the published counter
    /// sees modules only, and pools that a network applies as functions escape it.
    public static let askResNet = CountingConvention(
        explanation: "\(askExplanation) the last pool"
    ) { graph throws(GraphError) in try countAsASK(graph, withFinalPool: true) }

    private static let askExplanation =
        "multiply-adds, plus linear biases, 2 per 2D batch-norm value, 1 per ReLU value and a window's area per value of"

    private static func countAsASK(_ graph: Graph, withFinalPool: Bool) throws(GraphError) -> Total {
        let count = try Count(graph)
        var total = CheckedTotal(value: count.macs)
        var shapes = [Graph.inputName: graph.inputShape]
        for (node, layer) in zip(graph.nodes, count.layers) {
            let values = layer.output.count
            shapes[layer.name] = layer.output
            switch node.operation {
            case .linear(let linear): try total.add(linear.hasBias ? linear.outputs : 0, at: node)
            case .batchNorm, .affine: try total.add(layer.output.rank == 3 ? 2 : 0, times: values, at: node)
            case .relu: try total.add(values, at: node)
            case .maxPool(let pooling): try total.add(pooling.kernel.area, times: values, at: node)
            case .globalAveragePool where withFinalPool: try total.add(shapes[node.inputs[0]]?.count ?? 0, at: node)
            case .convolution, .sigmoid, .swish, .averagePool, .globalAveragePool, .add, .scaleChannels, .shift,
                .padChannels, .stopGradient, .dropout, .dropBranch, .flatten:
                break
            }
        }
        return Total(parameters: count.parameters, macs: total.value)
    }
}
