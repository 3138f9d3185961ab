import Glibc
import TapestryCore

/// What steps are expected to take on one thread, in multiplications of vectors at full speed, of which a core does two in
/// a cycle. From it plans are chosen, and with the time of one of them it is what `predict-cost` tells.
///
/// Constants were measured on cores with vectors of 16 floats; where caches or memory are slower beside arithmetic, costs
/// of memory are underestimated.
struct CostModel {
    private let placed: PlacedNetwork
    /// Bytes of all weights.
    private let weightSize: Int

    init(_ placed: PlacedNetwork) {
        self.placed = placed
        weightSize =
            placed.network.steps.reduce(0) { $0 + $1.weightCount } * placed.instructionSet.precision.elementSize
    }

    /// Of one call of a step for all images that go through it together.
    func cost(of index: Int) -> Double {
        let step = placed.network.steps[index]
        return arithmetic(of: index) * Double(placed.images) + memory(of: step) + Self.call
    }

    /// What it costs to split a vector of floats into parts.
    static let splitting = 10.0
    /// What a kernel's start costs.
    private static let call = 1200.0
    /// Waiting for another thread, and fetching what it wrote.
    private static let barrier = 8_000.0

    /// Of all steps, shared by so many threads where that is worth while.
    func cost(sharedBy threads: Int) -> Double {
        placed.network.steps.indices.reduce(0) { $0 + cost(of: $1, sharedBy: threads) }
    }

    func cost(of index: Int, sharedBy threads: Int) -> Double {
        let cost = cost(of: index)
        let isShared =
            threads > 1 && placed.network.isWorthSharing(placed.network.steps[index], images: placed.images)
        return isShared ? cost / Double(threads) + Self.barrier : cost
    }

    var cost: Double { placed.network.steps.indices.reduce(0) { $0 + cost(of: $1) } }

    // MARK: - Arithmetic of one image

    private func arithmetic(of index: Int) -> Double {
        let step = placed.network.steps[index]
        let (input, output) = (placed.network.values[step.inputs[0]], placed.network.values[step.output])
        let lanes = placed.instructionSet.lanes
        let (read, written) = (input.vectors(lanes), output.vectors(lanes))
        let activation = step.activation == .swish || step.activation == .sigmoid ? 16 * written : 0
        switch step.kind {
        case .convolution(let layer):
            return convolution(layer, at: index, input: input, output: output) + activation
        case .maxPool(let pooling), .averagePool(let pooling): return Double(4 * pooling.kernel.area + 30) * written
        case .globalAveragePool: return 12 * read
        case .add, .scale, .scaleChannels, .activate: return 10 * written + activation
        case .move, .flatten: return 1.5 * Double(output.count)
        case .rearrange: return 1.7 * Double(output.count)
        }
    }

    private func convolution(
        _ layer: LayerWeights, at index: Int, input: Extents, output: Extents
    ) -> Double {
        let written = output.vectors(placed.instructionSet.lanes)
        guard placed.network.kernels[index] != nil else {
            return (1.7 * Double(layer.convolution.kernel.area) + 13) * written
        }
        let cost = placed.network.kernelCosts[index] ?? 0
        guard let walk = placed.walks[index] else { return 1.1 * cost }
        let perImage = walk.cost / 2 / Double(placed.images)
        let splitting =
            placed.network.kernels[index] == .split ? Self.splitting * input.vectors(placed.instructionSet.lanes) : 0
        return 1.1 * cost * perImage + 6 * written + splitting
    }

    // MARK: - Memory

    private func memory(of step: LoweredStep) -> Double {
        let size = placed.instructionSet.precision.elementSize
        let elements = step.inputs.reduce(placed.network.values[step.output].count) {
            $0 + placed.network.values[$1].count
        }
        let weights = step.weightCount * size
        return Self.traffic(elements * placed.images * size, among: elements * placed.images * size)
            + Self.traffic(weights, among: weightSize)
    }

    /// Reading or writing so many bytes, which come round again after so many others.
    private static func traffic(_ bytes: Int, among working: Int) -> Double {
        let lines = Double(bytes) / 64
        if working <= nearCache { return 0 }
        return lines * (working <= farCache ? 6 : 13)
    }

    private static let nearCache = max(sysconf(Int32(_SC_LEVEL2_CACHE_SIZE)), 1 << 19)
    /// What other cores leave of the cache that all share.
    private static let farCache = min(max(sysconf(Int32(_SC_LEVEL3_CACHE_SIZE)), 1 << 22), 1 << 25)
}

extension Extents {
    func vectors(_ lanes: Int) -> Double { Double(height * width * ((channels + lanes - 1) / lanes)) }
}

extension LoweredStep {
    fileprivate var weightCount: Int {
        guard case .convolution(let layer) = kind else { return 0 }
        return layer.convolution.weightCount
    }
}
