import TapestryCore

/// What measurements on a machine have found to be fastest for a network, a batch, threads and a precision.
///
/// Kernels add in different orders, so that results of a tuned network may differ from those of an untuned one in the
/// last bits; what `NativeNetwork` promises of batches and threads holds for one tuning.
public struct Tuning: Codable, Equatable, Sendable {
    /// For layers, by the names of their first nodes: "taps", "rows", "split", "planes" or "sparse".
    let kernels: [String: String]
    /// How many images go through the network together.
    let images: Int
    /// Whether each thread takes images of its own.
    let runsChunks: Bool
}

extension Tuning {
    /// Measures what there is to choose from: each layer's kernels by themselves, then plans as a whole. `advance` is told
    /// of each plan that has been measured, and of how many there are. Precondition: as for `NativeNetwork`.
    ///
    /// Throws `GraphError` where the graph breaks a rule; what `advance` throws.
    public static func measured(
        _ model: FrozenModel, batch: Int, threads: Int, instructionSet: InstructionSet,
        advance: (_ done: Int, _ count: Int) throws -> Void = { _, _ in }
    ) throws -> Tuning {
        let lowering = try Lowering(model)
        let kernels = kernelsThatWin(lowering, batch: batch, threads: threads, instructionSet)
        var candidates: [(choice: PlanChoice, kernels: [String: String])] = []
        for kernels in kernels.isEmpty ? [[:]] : [[:], kernels] {
            let network = ArrangedNetwork(lowering, instructionSet) {
                kernels[$0].flatMap(ConvolutionKernel.init)
            }
            candidates += PlanChoice.candidates(for: network, batch: batch, threads: threads, instructionSet)
                .map { ($0, kernels) }
        }
        var best: (seconds: Double, tuning: Tuning)?
        for (index, (choice, kernels)) in candidates.enumerated() {
            let seconds = Context(Plan(choice)).seconds(batch: batch)
            if best.map({ seconds < $0.seconds }) ?? true {
                best = (
                    seconds,
                    Tuning(kernels: kernels, images: choice.placed.images, runsChunks: choice.runsChunks)
                )
            }
            try advance(index + 1, candidates.count)
        }
        return best!.tuning
    }

    /// Layers for which another kernel than the expected one is faster, with what is rearranged for it.
    private static func kernelsThatWin(
        _ lowering: Lowering, batch: Int, threads: Int, _ instructionSet: InstructionSet
    ) -> [String: String] {
        func times(_ wanted: ConvolutionKernel?) -> (kernels: [String: ConvolutionKernel], seconds: [String: Double]) {
            let network = ArrangedNetwork(lowering, instructionSet) { _ in wanted }
            let choice = PlanChoice.candidates(for: network, batch: batch, threads: threads, instructionSet)
                .min { $0.cost < $1.cost }!
            let kernels = network.kernels.map { (network.steps[$0].nodes[0], $1) }
            let plan = Plan(choice)
            let seconds = zip(plan.steps, Context(plan).medianTimes(rounds: 9)).map {
                ($0.nodes[0], $1 / Double(plan.capacity))
            }
            return (
                Dictionary(kernels) { first, _ in first }, Dictionary(seconds) { $0 + $1 }
            )
        }
        let expected = times(nil)
        var winners: [String: String] = [:]
        var least = expected.seconds
        for kernel in ConvolutionKernel.allCases {
            let forced = times(kernel)
            for (layer, used) in forced.kernels where used == kernel && expected.kernels[layer] != kernel {
                // A little faster may be chance.
                guard let seconds = forced.seconds[layer], let known = least[layer], seconds < 0.97 * known else {
                    continue
                }
                least[layer] = seconds
                winners[layer] = kernel.rawValue
            }
        }
        return winners
    }
}
