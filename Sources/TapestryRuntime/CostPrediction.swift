import TapestryCore

/// What a network is expected to take, before it is trained or even packed.
public struct CostPrediction: Sendable {
    /// A step of the plan.
    public struct Step: Sendable {
        /// The nodes of the graph that it computes; the first gives it its name.
        public let nodes: [String]
        /// Multiply-adds for one image: those of the support, and those of dense kernels in its place.
        public let macs: Int
        public let denseMacs: Int
        /// For one image of the batch.
        public let seconds: Double
    }

    /// For the whole batch.
    public let seconds: Double
    public let steps: [Step]
}

extension NativeNetwork {
    /// What a batch of the model would take, planned as the initialiser plans it: the cost model's figures times what one
    /// multiplication of vectors takes, which `ProcessorSpeed` measures. Weights do not matter but for which are zero.
    ///
    /// Throws `GraphError` where the graph breaks a rule.
    public static func predictedCost(
        of model: FrozenModel, batch: Int = 1, threads: Int = 1, on speed: ProcessorSpeed
    ) throws(GraphError) -> CostPrediction {
        let choice = try PlanChoice.best(
            for: model, batch: batch, threads: threads, speed.instructionSet, tuning: nil)
        let cost = CostModel(choice.placed)
        let network = choice.placed.network
        // Threads with images of their own finish so many images in the time of one pass.
        let images = Double(choice.placed.images * (choice.runsChunks ? threads : 1))
        let steps = network.steps.indices.map { index in
            let step = network.steps[index]
            let units = cost.cost(of: index, sharedBy: choice.sharesSteps ? threads : 1)
            return CostPrediction.Step(
                nodes: step.nodes, macs: network.macs(of: step), denseMacs: network.denseMacs(of: step),
                seconds: units / images * speed.secondsPerMultiplication)
        }
        return CostPrediction(seconds: choice.cost * speed.secondsPerMultiplication, steps: steps)
    }
}

/// How fast a core of this machine multiplies vectors in convolutions.
public struct ProcessorSpeed: Sendable {
    public let instructionSet: InstructionSet
    let secondsPerMultiplication: Double

    /// Runs a convolution whose values and weights stay in a core's caches for some milliseconds, and takes the shortest
    /// time: what the core does when nobody else wants it.
    public init(measuring instructionSet: InstructionSet) {
        self.instructionSet = instructionSet
        // 9.4 million multiply-adds on 64 KB of values and 147 KB of weights.
        let model = try! FrozenModel(
            Model(
                graph: Graph.build(input: [64, 16, 16]) { $0.convolution("layer", to: 64, kernel: 3, padding: 1) },
                weights: Weights(tensors: ["layer.weight": Tensor(shape: [64, 64, 3, 3], repeating: 0.1)])))
        let choice = try! PlanChoice.best(for: model, batch: 1, threads: 1, instructionSet, tuning: nil)
        let context = Context(Plan(choice))
        let least = (0..<30).map { _ in context.times(ofRandomImages: 1)[0] }.min()!
        // Measured: among others a layer takes so much longer than by itself, its values in the nearest caches.
        secondsPerMultiplication = 1.12 * least / CostModel(choice.placed).cost(of: 0)
    }
}
