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

    /// 4x8x8 by two convolutions that are large enough to be packed: a ternary one, whose kernels alternate, and one with
    /// many values, nearly all of them zero.
    public static func packableModel() throws -> Model {
        let graph = try Graph.build(input: [4, 8, 8]) {
            $0.convolution("ternary", to: 8, kernel: 3, padding: 1).batchNorm("bn").relu("relu")
                .convolution("sparse", to: 8, kernel: 3, padding: 1).globalAveragePool("pool").linear("fc", to: 3)
        }
        let other = RandomStream(seed: 5, purpose: .test)
        var weights = Weights()
        for parameter in graph.parameters {
            var random = other
            let elements = (0..<parameter.shape.count).map { index -> Float in
                switch parameter.name {
                case "ternary.weight": [0, 0.5, -0.25, 0, 0, 0.5][index / 3 % 6]
                case "sparse.weight": index % 11 == 0 ? Float(index) / 100 - 1 : 0
                default: Float(random.uniform(in: 0.5...1))
                }
            }
            weights.tensors[parameter.name] = Tensor(shape: parameter.shape, elements: elements)
        }
        return try Model(graph: graph, weights: weights, facts: ["note": "packable"])
    }
}
