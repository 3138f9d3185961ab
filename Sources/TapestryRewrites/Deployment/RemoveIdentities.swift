import TapestryCore

extension DeployingNetwork {
    /// Takes away what is the identity in evaluation: dropout, and stops of gradients.
    mutating func removeTrainingOnly() throws(GraphError) {
        try forEachNode { network, node in
            if node.operation.isForTrainingOnly { network.removeIdentity(node) }
        }
    }

    /// Takes away what changes no value: padding by no channels, windows of one pixel, shifts of too few channels, the
    /// rectification of what is rectified, the flattening of vectors.
    mutating func removeIdentities() throws(GraphError) {
        var shapes: [String: Shape] = [Graph.inputName: graph.inputShape]
        for (node, shape) in zip(nodes, try graph.outputShapes()) { shapes[node.name] = shape }
        try forEachNode { network, node in
            if let input = shapes[node.inputs[0]], network.isIdentity(node, on: input) { network.removeIdentity(node) }
        }
    }

    private func isIdentity(_ node: Node, on input: Shape) -> Bool {
        switch node.operation {
        case .padChannels(let before, let after): before == 0 && after == 0
        case .maxPool(let pooling), .averagePool(let pooling):
            pooling.kernel == .square(1) && pooling.stride == .square(1) && pooling.padding == .none
        case .shift(let shift):
            shift.taps(channels: input[0]).allSatisfy { $0.row == shift.kernel / 2 && $0.column == shift.kernel / 2 }
        case .relu: self.node(named: node.inputs[0])?.operation == .relu
        case .flatten: input.rank == 1
        case .convolution, .batchNorm, .affine, .linear, .sigmoid, .swish, .globalAveragePool, .add, .scaleChannels,
            .stopGradient, .dropout, .dropBranch:
            false
        }
    }

    /// A network is never without a node: the last one stays even if it does nothing.
    private mutating func removeIdentity(_ node: Node) {
        guard node.name != outputName || node.inputs[0] != Graph.inputName else { return }
        remove(node.name, substituting: node.inputs[0])
    }
}
