import TapestryCore

/// What the published program takes a layer's weights to need, in parameters of 32 bits. Its indices have as many bits as
/// a weight, enough or not.
struct PublishedStorage {
    private let count: Double
    private let nonzeros: Double
    private let rows: Double
    private let bits: Double

    init(count: Int, nonzeros: Int, rows: Int, precision: ScoringPrecision) {
        self.count = Double(count)
        self.nonzeros = Double(nonzeros)
        self.rows = Double(rows)
        bits = Double(precision.rawValue)
    }

    /// The weights that are not zero, and a mask if any is. The one size that is not rounded up to a whole parameter.
    var plain: Double { (nonzeros * bits + (nonzeros < count ? count : 0)) / 32 }

    var plainFormat: StorageFormat { nonzeros < count ? .mask : .dense }

    private var twoMasks: Double { ((2 * count + 2 * bits) / 32).rounded(.up) }
    private var maskAndSigns: Double { ((count + nonzeros + 2 * bits) / 32).rounded(.up) }
    private var csr: Double { ((nonzeros * (bits + 1) + (rows + 1) * bits + 2 * bits) / 32).rounded(.up) }
    private var cer: Double { ((nonzeros * bits + 2 * (rows + 1) * bits + 2 * bits) / 32).rounded(.up) }

    /// The smallest for a ternary layer, the first of equals; without CER only `plain` and two masks are tried.
    func smallest(withCER: Bool) -> (StorageFormat, Double) {
        var candidates: [(StorageFormat, Double)] = [(plainFormat, plain), (.twoMasks, twoMasks)]
        if withCER { candidates += [(.maskAndSigns, maskAndSigns), (.csr, csr), (.cer, cer)] }
        return candidates.dropFirst().reduce(candidates[0]) { $1.1 < $0.1 ? $1 : $0 }
    }
}

/// The kernels of a convolution as the published program counts them, without the channels that it takes to be dead.
struct PublishedKernels {
    enum DeadInputs {
        /// Those that the convolution before in the list puts out, whether the network connects the two or a shortcut comes
        /// between; empty for the first.
        case before([Bool])
        /// Those for which the kernels' own weights come to zero.
        case own
    }

    let deadOutputs: [Bool]
    let inputs: Int
    let outputs: Int
    let count: Int
    let nonzeros: Int
    private let kernelArea: Int
    private let isDepthwise: Bool

    init(
        _ member: PublishedGroup.Member, _ model: Model, deadInputs: DeadInputs,
        peculiarity: PublishedGroup.Peculiarity?
    ) {
        let convolution = member.convolution
        let (area, perGroup) = (convolution.kernel.area, convolution.channelsPerGroup)
        let weights = model.weights.tensors["\(member.node.name).weight"]?.elements ?? []
        var outputSums = Array(repeating: 0.0, count: convolution.outputChannels)
        var inputSums = Array(repeating: 0.0, count: perGroup)
        for (index, weight) in weights.enumerated() {
            outputSums[index / (perGroup * area)] += Double(weight)
            inputSums[index / area % perGroup] += Double(weight)
        }
        // By the sum, not by all weights being zero: a ternary filter with as many weights of either sign and one magnitude
        // counts as dead, and does put out something.
        let deadOutputs = outputSums.map { $0 == 0 }
        isDepthwise = peculiarity == .depthwise
        var dead = Array(repeating: false, count: perGroup)
        switch deadInputs {
        case .before(let before) where before.count == perGroup: dead = before
        case .own where !isDepthwise: dead = inputSums.map { $0 == 0 }
        case .before, .own: break
        }
        var (count, nonzeros) = (0, 0)
        for (index, weight) in weights.enumerated()
        where !deadOutputs[index / (perGroup * area)] && !dead[index / area % perGroup] {
            count += 1
            nonzeros += weight == 0 ? 0 : 1
        }
        (self.count, self.nonzeros, self.deadOutputs) = (count, nonzeros, deadOutputs)
        outputs = deadOutputs.count { !$0 }
        inputs = isDepthwise ? outputs : dead.count { !$0 }
        kernelArea = area
    }

    /// How many weights a filter has on average, zeros left out; 0 where no filter is left.
    var averageOperands: Double {
        guard count > 0 else { return 0 }
        // In this order of operations, which the tree adder's steps depend on.
        return Double(kernelArea * (isDepthwise ? 1 : inputs)) * (1 - (1 - Double(nonzeros) / Double(count)))
    }
}
