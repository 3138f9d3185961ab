import CTapestryTorch
import TapestryCore
import TapestryRuntime

/// A value of a network that runs by Tapestry's kernels: a tensor, and what is still to be done with it wherever it is
/// read. Batch norms and ReLUs are never stored by themselves.
struct GraphValue {
    /// N x C x H x W, channels last, where there is something left to do.
    let raw: TorchTensor
    var norm: DeferredNorm?
    var rectifies = false
    /// Whether gradients are handed back for the value, not for `raw`: then somebody else takes them through what is
    /// left to do.
    var isPassedOn = false
    /// The moments of `raw`, where its maker has found them.
    var moments: ChannelMoments?
    /// Where `raw` is a convolution's, what it leaves to its gradient's reader.
    var gradient: GradientOnTheWay?

    init(_ raw: TorchTensor) { self.raw = raw }

    var isPlain: Bool { norm == nil && !rectifies }

    var reading: StoredReading { StoredReading(scale: norm?.scale, rectifies: rectifies) }

    /// What gradients flow to through the reading.
    var sources: [TorchTensor] { [raw] + (isPassedOn ? [] : norm.map { [$0.weight, $0.bias] } ?? []) }
}

/// What is left to do with the gradient of a convolution's output when it arrives there. A batch norm's reader knows the
/// gradient of what the norm gave; if nobody else gives a part of the gradient, the convolution takes it through the norm
/// while it reads it, and what would be written and read in between is not.
final class GradientOnTheWay {
    /// How many have taken the output, or what is made of it by reading.
    private var readers = 0
    private var norm: NormGradient?

    func addReader() { readers += 1 }

    /// Leaves the norm to the convolution. False where others read its output too.
    func leave(_ norm: NormGradient) -> Bool {
        guard readers == 1 else { return false }
        self.norm = norm
        return true
    }

    /// What was left, once.
    func take() -> NormGradient? {
        defer { norm = nil }
        return norm
    }
}

/// A batch norm that is applied whenever its input is read (Ioffe and Szegedy, 2015).
struct DeferredNorm {
    let weight: TorchTensor
    let bias: TorchTensor
    let means: [Float]
    /// 1 / sqrt(variance + epsilon).
    let inverseDeviations: [Float]
    let scale: (factors: [Float], offsets: [Float])
    /// Whether the statistics are the values' own, so that gradients flow through them too.
    let areOfBatch: Bool

    init(
        weight: TorchTensor, bias: TorchTensor, moments: ChannelMoments, epsilon: Double, areOfBatch: Bool
    ) {
        (self.weight, self.bias, self.areOfBatch) = (weight, bias, areOfBatch)
        means = moments.means.map { Float($0) }
        let inverse = moments.variances.map { 1 / ($0 + epsilon).squareRoot() }
        inverseDeviations = inverse.map { Float($0) }
        let (weights, biases) = (weight.floats, bias.floats)
        let factors = inverse.indices.map { Double(weights[$0]) * inverse[$0] }
        scale = (
            factors.map { Float($0) },
            factors.indices.map { Float(Double(biases[$0]) - moments.means[$0] * factors[$0]) }
        )
    }

    /// From a gradient's sums over all values, those of the weight and the bias, and how the values' follow.
    func gradients(_ sums: GradientSums, count: Int) -> (weight: [Float], bias: [Float], input: NormGradient) {
        var (weight, slopes, offsets): ([Float], [Float], [Float]) = ([], [], [])
        for channel in means.indices {
            let inverse = Double(inverseDeviations[channel])
            weight.append(Float(sums.products[channel] * inverse))
            guard areOfBatch else { continue }
            let factor = Double(scale.factors[channel])
            let slope = -factor * inverse * inverse * sums.products[channel] / Double(count)
            slopes.append(Float(slope))
            offsets.append(Float(-factor * sums.sums[channel] / Double(count) - slope * Double(means[channel])))
        }
        let zeros = Array(repeating: Float(0), count: means.count)
        return (
            weight, sums.sums.map { Float($0) },
            NormGradient(
                factors: scale.factors, slopes: areOfBatch ? slopes : zeros, offsets: areOfBatch ? offsets : zeros)
        )
    }
}

extension TorchTensor {
    /// Where its elements lie.
    var data: UnsafeMutableRawPointer {
        guard let data = tapestry_tensor_data(handle) else { fatalError("a tensor without memory") }
        return data
    }

    /// The elements of a short vector of floats on the host, without a copy through libtorch.
    var floats: UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: data.assumingMemoryBound(to: Float.self), count: shape.count)
    }

    /// A new tensor, its elements whatever they are.
    static func empty(
        _ shape: Shape, as type: DataType, memoryFormat: MemoryFormat = .contiguous
    ) throws(TorchError) -> TorchTensor {
        try Aten.empty(
            .integers(shape.dimensions), .dataType(type), nil, nil, nil, .memoryFormat(memoryFormat))
    }

    static func vector(_ elements: [Float]) throws(TorchError) -> TorchTensor {
        let made = try empty([elements.count], as: .float32)
        made.data.copyMemory(from: elements, byteCount: 4 * elements.count)
        return made
    }

    /// The same in a type and with channels last; itself where it is so.
    func stored(as type: DataType) throws(TorchError) -> TorchTensor {
        if dataType == type, isContiguous(.channelsLast) { return self }
        return try to(as: type, memoryFormat: .channelsLast)
    }
}
