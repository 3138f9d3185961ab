import CTapestryKernels
import TapestryCore

/// An arranged network whose values have places in memory and whose convolutions have walks, for a number of images that
/// go through it together.
struct PlacedNetwork {
    let network: ArrangedNetwork
    let images: Int
    let instructionSet: InstructionSet
    /// How the positions of each convolution that walks them are walked, by its step.
    private(set) var walks: [Int: Walk] = [:]
    private(set) var layouts: [ValueLayout] = []
    private(set) var arena = ArenaLayout(sizes: [], lifetimes: [])

    /// Values of one size have the same pads, whoever reads them: they can then be added, and walked with one pitch.
    init(_ network: ArrangedNetwork, images: Int, _ instructionSet: InstructionSet) {
        self.network = network
        self.images = images
        self.instructionSet = instructionSet
        // Walks through rows cost more where others want pads between them, so these are found first.
        let wanted = chooseWalks(beside: [:])
        let pads = chooseWalks(beside: wanted).merging(wanted) { $0.union($1) }
        layouts = network.values.indices.map {
            ValueLayout(
                network.values[$0], pads: pads[key($0)] ?? Pads(), arrangement: network.arrangements[$0],
                elementSize: instructionSet.precision.elementSize, holdsFloats: holdsFloats($0),
                isDense: $0 == 0 && inputIsDense)
        }
        arena = ArenaLayout(sizes: layouts.map { $0.size(images: images) }, lifetimes: lifetimes)
    }

    func value(_ index: Int) -> PlacedValue {
        PlacedValue(
            layout: layouts[index],
            place: (arena.places[index] + layouts[index].lead) * instructionSet.precision.elementSize)
    }

    /// The pads that are needed then.
    private mutating func chooseWalks(beside others: [PadsKey: Pads]) -> [PadsKey: Pads] {
        var pads: [PadsKey: Pads] = [:]
        for (index, step) in network.steps.enumerated() {
            guard case .convolution(let layer) = step.kind else { continue }
            let (input, output) = (network.values[step.inputs[0]], network.values[step.output])
            var needed = layer.convolution.pads(from: input, to: output)
            switch network.kernels[index] {
            case let kernel? where kernel.hasWalk:
                let columns = others[key(step.inputs[0])]?.columns ?? 0
                let walk = Walk.cheapest(
                    for: layer.convolution, from: input, to: output, images: images, padColumns: columns,
                    by: kernel, instructionSet)
                walks[index] = walk
                needed = walk.pads
            case .sparse?: needed.columns = 0
            default: break
            }
            pads[key(step.inputs[0])] = pads[key(step.inputs[0]), default: Pads()].union(needed)
        }
        return pads
    }

    /// Images of few channels take a fraction of the memory where all that read them are convolutions by taps.
    private var inputIsDense: Bool {
        network.steps.enumerated().allSatisfy { index, step in
            !step.inputs.contains(0) || step.inputs == [0] && network.kernels[index]?.hasWalk == true
        }
    }

    /// Class scores are not rounded, where a convolution or linear layer makes them and nobody else takes them.
    private func holdsFloats(_ value: Int) -> Bool {
        guard instructionSet.precision != .fp32, value == network.output,
            let step = network.steps.firstIndex(where: { $0.output == value }), network.kernels[step] == .taps,
            network.steps[step].inputs.count == 1, !network.steps.contains(where: { $0.inputs.contains(value) })
        else { return false }
        return [.identity, .relu].contains(network.steps[step].activation)
    }

    /// Values that share their pads.
    private struct PadsKey: Hashable {
        let size: Size
        let arrangement: Arrangement
    }

    private func key(_ value: Int) -> PadsKey {
        let extents = network.values[value]
        return PadsKey(
            size: Size(height: extents.height, width: extents.width), arrangement: network.arrangements[value])
    }

    /// From the step that makes a value to the last that takes it. The input is there before the first step, the output
    /// after the last.
    private var lifetimes: [ClosedRange<Int>] {
        var lifetimes = Array(repeating: -1 ... -1, count: network.values.count)
        for (index, step) in network.steps.enumerated() {
            lifetimes[step.output] = index...index
            for input in step.inputs { lifetimes[input] = lifetimes[input].lowerBound...index }
        }
        let output = network.output
        lifetimes[output] = lifetimes[output].lowerBound...network.steps.count
        return lifetimes
    }
}
