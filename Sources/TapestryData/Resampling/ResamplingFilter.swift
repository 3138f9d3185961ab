import CTapestryImages

/// An interpolating kernel, stretched by the scale when shrinking (so that shrinking antialiases).
public enum ResamplingFilter: String, Codable, CaseIterable, Sendable {
    /// 1 - |x|.
    case bilinear
    /// Keys' cubic with a = -1/2, Pillow's choice.
    case bicubic

    /// The kernel is zero at and beyond this distance.
    var support: Double { self == .bilinear ? 1 : 2 }

    func weight(at x: Double) -> Double {
        let x = abs(x)
        switch self {
        case .bilinear: return x < 1 ? 1 - x : 0
        case .bicubic:
            let a = -0.5
            if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
        }
    }
}

/// For each output position of one axis, the inputs it is made of and their weights, in fixed point.
///
/// Source: Pillow, src/libImaging/Resample.c, `precompute_coeffs` and `normalize_coeffs_8bpc`.
struct ResamplingWeights {
    /// The weights' fractional bits: 32 less 8 for the pixel and 2 for sums beyond it.
    private static let precision = 22

    private(set) var taps: [tapestry_taps]
    /// `stride` weights per output, of which the first `taps[output].count` are used.
    private(set) var weights: [Int32]
    let stride: Int

    init(from inputCount: Int, to outputCount: Int, filter: ResamplingFilter) {
        let scale = Double(inputCount) / Double(outputCount)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let stride = Int(support.rounded(.up)) * 2 + 1
        self.stride = stride
        weights = Array(repeating: 0, count: stride * outputCount)
        taps = Array(repeating: tapestry_taps(), count: outputCount)
        let inverseScale = 1 / filterScale
        var shares = [Double](repeating: 0, count: stride)
        for output in 0..<outputCount {
            let center = (Double(output) + 0.5) * scale
            // Truncation, not rounding down, is the source's rule for negative numbers too.
            let start = max(Int(center - support + 0.5), 0)
            let count = min(Int(center + support + 0.5), inputCount) - start
            var total = 0.0
            for tap in 0..<count {
                shares[tap] = filter.weight(at: (Double(tap + start) - center + 0.5) * inverseScale)
                total += shares[tap]
            }
            let factor = total == 0 ? 1 : 1 / total
            for tap in 0..<count {
                let scaled = shares[tap] * factor * Double(1 << Self.precision)
                weights[output * stride + tap] = Int32(scaled < 0 ? scaled - 0.5 : scaled + 0.5)
            }
            taps[output] = tapestry_taps(start: Int32(start), count: Int32(count))
        }
    }
}
