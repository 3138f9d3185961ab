import TapestryCore

/// How ShiftNet's program counts.
extension CountingConvention {
    /// What its document prints: the first convolution without its input channels, and with the last stage's width.
    public static let shift = CountingConvention(
        explanation: "multiply-adds, the first convolution with the last stage's width and one input channel, "
            + depthwiseExplanation
    ) { graph throws(GraphError) in
        try countAsShift(graph) { $0.channelsPerGroup }
    }

    /// What its program of today prints.
    public static let shiftCurrent = CountingConvention(
        name: "published-current",
        explanation: "multiply-adds, the first convolution with the last stage's width, " + depthwiseExplanation
    ) { graph throws(GraphError) in
        try countAsShift(graph) { _ in 1 }
    }

    private static let depthwiseExplanation = "depthwise ones at the positions that the next convolution puts out"

    /// `divisor` is that of the first convolution's count.
    private static func countAsShift(
        _ graph: Graph, divisor: (Convolution) -> Int
    ) throws(GraphError) -> Total {
        let count = try Count(graph)
        let lastWidth = graph.classifierInputs
        var macs = 0.0
        /// The depthwise convolution that a value comes from, with nothing but norms and ReLUs since.
        var depthwise: [String: Count.Layer] = [:]
        for (node, layer) in zip(graph.nodes, count.layers) {
            var counted = Double(layer.macs)
            if case .convolution(let convolution) = node.operation {
                if node.inputs == [Graph.inputName], let lastWidth {
                    counted *= Double(lastWidth)
                    counted /= Double(convolution.outputChannels * divisor(convolution))
                }
                if let spatial = depthwise[node.inputs[0]] {
                    // Counted at its own positions by now.
                    let (own, published) = (spatial.output.positions, layer.output.positions)
                    macs -= Double(spatial.macs) / own * (own - published)
                }
                if convolution.groups == convolution.inputChannels, convolution.groups > 1 {
                    depthwise[node.name] = layer
                }
            } else if ["relu", "batchNorm", "affine"].contains(node.operation.kind) {
                depthwise[node.name] = depthwise[node.inputs[0]]
            }
            macs += counted
        }
        return Total(parameters: count.parameters, macs: macs)
    }
}

extension Graph {
    /// The length of the vector that the last linear layer takes, nil without one.
    fileprivate var classifierInputs: Int? {
        for node in nodes.reversed() {
            if case .linear(let linear) = node.operation { return linear.inputs }
        }
        return nil
    }
}

extension Shape {
    /// Of C x H x W: H times W.
    fileprivate var positions: Double { Double(self[1] * self[2]) }
}
