import TapestryCore

/// What a plan is made of: kernels, and how many images go through the network together. More images share the reading of
/// weights and fill vectors of images, fewer stay in caches.
struct PlanChoice {
    let placed: PlacedNetwork
    let threads: Int
    /// Whether each thread takes images of its own through all steps; otherwise all threads share each step.
    let runsChunks: Bool
    /// What the batch is expected to take, in multiplications of vectors.
    let cost: Double

    var sharesSteps: Bool { !runsChunks && threads > 1 }

    /// Those that are worth a thought, for a batch; at least one.
    static func candidates(for network: ArrangedNetwork, batch: Int, threads: Int, _ instructionSet: InstructionSet)
        -> [PlanChoice]
    {
        var candidates: [PlanChoice] = []
        for most in [16, 8, 4, 2, 1] where most <= batch || most == 1 {
            // Equal pieces, as many for each thread.
            let rounds = (batch + most * threads - 1) / (most * threads)
            let size = (batch + rounds * threads - 1) / (rounds * threads)
            candidates.append(
                PlanChoice(network, images: size, rounds: rounds, threads: threads, runsChunks: true, instructionSet))
            guard threads > 1 else { continue }
            candidates.append(
                PlanChoice(
                    network, images: min(most, batch), rounds: (batch + most - 1) / most, threads: threads,
                    runsChunks: false, instructionSet))
        }
        return candidates
    }

    private init(
        _ network: ArrangedNetwork, images: Int, rounds: Int, threads: Int, runsChunks: Bool,
        _ instructionSet: InstructionSet
    ) {
        placed = PlacedNetwork(network, images: images, instructionSet)
        self.threads = threads
        self.runsChunks = runsChunks
        let model = CostModel(placed)
        let pass = runsChunks ? model.cost : model.cost(sharedBy: threads)
        cost = Double(rounds) * pass
    }

    /// The one that is expected to be fastest, or that measurements have found.
    ///
    /// Throws `GraphError` where the graph breaks a rule.
    static func best(
        for model: FrozenModel, batch: Int, threads: Int, _ instructionSet: InstructionSet, tuning: Tuning?
    ) throws(GraphError) -> PlanChoice {
        let network = ArrangedNetwork(try Lowering(model), instructionSet) { layer in
            tuning?.kernels[layer].flatMap(ConvolutionKernel.init)
        }
        let candidates = candidates(for: network, batch: batch, threads: threads, instructionSet)
        let measured = tuning.flatMap { tuning in
            candidates.first { $0.placed.images == tuning.images && $0.runsChunks == tuning.runsChunks }
        }
        return measured ?? candidates.min { $0.cost < $1.cost }!
    }
}
