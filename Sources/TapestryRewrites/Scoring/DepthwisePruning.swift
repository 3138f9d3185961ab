import TapestryCore

extension Model {
    /// The model with zero for every weight of a depthwise convolution that is smaller than `share` of the largest of its
    /// layer, in magnitude: `--prune-threshold` of EC2T's program for scoring.
    public func pruningDepthwise(below share: Double) -> Model {
        var pruned = self
        for node in graph.nodes {
            guard case .convolution(let convolution) = node.operation, convolution.groups > 1,
                convolution.channelsPerGroup == 1
            else { continue }
            let names = convolution.storedWeights.map { "\(node.name).\($0.suffix)" }
            let largest = names.compactMap { weights.tensors[$0]?.elements.lazy.map(abs).max() }.max() ?? 0
            for name in names {
                pruned.weights.tensors[name] = weights.tensors[name]?.map {
                    Double(abs($0)) < share * Double(largest) ? 0 : $0
                }
            }
        }
        return pruned
    }
}
