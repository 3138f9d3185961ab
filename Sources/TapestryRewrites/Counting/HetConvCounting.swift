import TapestryCore

/// How HetConv's paper counts, and what its program stores and computes.
extension CountingConvention {
    /// A convolution costs H W O (9 I + 1), the 1 being for a bias, times the share of the 9 I weights that it keeps.
    /// The paper's tables give millions, cut off after two decimals.
    public static let hetConv = CountingConvention(
        explanation: "multiply-adds, plus 1 per value that a convolution puts out times the share of weights it keeps"
    ) { graph throws(GraphError) in
        let count = try Count(graph)
        var macs = Double(count.macs)
        for (node, layer) in zip(graph.nodes, count.layers) {
            guard case .convolution(let convolution) = node.operation else { continue }
            macs += Double(layer.macs) / Double(convolution.kernel.area * convolution.channelsPerGroup)
        }
        return Total(parameters: count.parameters, macs: macs)
    }

    /// The published layer is a convolution of P groups and a full 1x1 convolution, whose diagonal blocks are held at zero.
    public static let hetConvStored = CountingConvention(
        name: "published-stored", unit: "multiply-adds",
        explanation: "the published program stores and computes the 1x1 entries that it holds at zero"
    ) { graph throws(GraphError) in
        let count = try Count(graph)
        var (parameters, macs) = (CheckedTotal(value: count.parameters), CheckedTotal(value: count.macs))
        for (node, layer) in zip(graph.nodes, count.layers) {
            guard case .convolution(let convolution) = node.operation,
                case .blockDiagonal(let parts) = convolution.support
            else { continue }
            let entries = convolution.outputChannels * (convolution.inputChannels / parts)
            try parameters.add(entries, at: node)
            try macs.add(entries, times: layer.output[1] * layer.output[2], at: node)
        }
        return Total(parameters: parameters.value, macs: macs.value)
    }
}
