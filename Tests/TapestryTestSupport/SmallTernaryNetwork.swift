import TapestryCore

/// A network that is small enough to be scored by hand.
public enum SmallTernaryNetwork {
    /// What it scores at 16 bits: 27 bits of ternary weights, 4 numbers of the batch norm, 6 weights and 3 biases.
    public struct Figures: Sendable {
        public let scoringParameters = (27 + 4 * 16 + 9 * 16) / 32.0
        /// 9 positions of one filter, 18 values in the batch norm and the ReLU, 2 averages, 6 weights.
        public let multiplications = (9 + 18 + 18 + 2 + 6) / 2.0
        /// Three operands by the tree adder at 9 positions, 18 values, 2 times 8 in the averages, 2 for each of 3 outputs.
        public let additions = 9 * (16 + 17) / 32.0 + 18 + 16 + 6
        public let parameters = 8 + 4 + 9
        /// Five of the convolution's weights, and the batch norm's two biases.
        public let zeros = 7
    }

    /// 4x3x3 by a ternary 1x1 convolution, whose second filter is zero, a batch norm and a ReLU to 2x3x3; their means to 3
    /// classes.
    public static func model(facts: [String: String] = [:]) throws -> (model: Model, figures: Figures) {
        let graph = try Graph.build(input: [4, 3, 3]) {
            $0.convolution("conv", to: 2, kernel: 1).batchNorm("bn").relu("relu").globalAveragePool("pool")
                .linear("fc", to: 3)
        }
        let tensors: [String: Tensor<Float>] = [
            "conv.weight": Tensor(shape: [2, 4, 1, 1], elements: [0.5, -0.5, 0, 0.5, 0, 0, 0, 0]),
            "bn.weight": Tensor(shape: [2], elements: [1, 2]), "bn.bias": Tensor(shape: [2], elements: [0, 0]),
            "bn.running_mean": Tensor(shape: [2], elements: [0, 0]),
            "bn.running_var": Tensor(shape: [2], elements: [1, 1]),
            "fc.weight": Tensor(shape: [3, 2], elements: [1, 2, 3, -4, -5, -6]),
            "fc.bias": Tensor(shape: [3], elements: [1, 2, 3]),
        ]
        return (try Model(graph: graph, weights: Weights(tensors: tensors), facts: facts), Figures())
    }
}
