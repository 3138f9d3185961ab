import Foundation

/// How strongly rare values are made rarer: lambda of a layer is so much of the largest that leaves its largest weight
/// where it is.
public struct EntropyConstraint: Hashable, Sendable {
    /// lambda_max_divr of the published program, which multiplies by it.
    public var share: Double
    /// Less for smaller layers, whose weights matter more; see `decay(layer:largest:)`.
    public var decay: Double

    public init(share: Double, decay: Double = 1) {
        self.share = share
        self.decay = decay
    }

    /// (n / n_largest + 0.05) / 1.05 of a layer of n weights, in a network whose largest quantised layer has n_largest.
    public static func decay(layer count: Int, largest: Int) -> Double {
        (Double(count) / Double(max(largest, 1)) + 0.05) / 1.05
    }
}

/// The shares of the three values as the entropy constraint sees them: of the nearest-value assignment, that of zero
/// raised to at least a half and the others lowered.
struct TernaryProbabilities: Equatable {
    var negative: Float
    var zero: Float
    var positive: Float

    /// The share that zero has at least.
    private static let leastZero: Float = 0.5

    /// As published: an empty value counts as one weight, though the total does not grow, and what zero gains is taken
    /// from the others one after the other, the second from shares of which the first has been lowered, so that the sum
    /// is not one.
    init(published counts: TernaryCounts) {
        let total = Float(counts.total)
        negative = Float(max(counts.negative, 1)) / total
        zero = Float(max(counts.zero, 1)) / total
        positive = Float(max(counts.positive, 1)) / total
        guard zero < Self.leastZero else { return }
        let missing = Self.leastZero - zero
        negative -= negative / (negative + positive) * missing
        positive -= positive / (negative + positive) * missing
        zero = Self.leastZero
    }

    /// As the paper means it: shares of one, and what zero gains is taken from the others in proportion.
    init(corrected counts: TernaryCounts) {
        let raised = [counts.negative, counts.zero, counts.positive].map { Float(max($0, 1)) }
        let total = raised.reduce(0, +)
        negative = raised[0] / total
        zero = raised[1] / total
        positive = raised[2] / total
        guard zero < Self.leastZero else { return }
        let factor = (1 - Self.leastZero) / (negative + positive)
        negative *= factor
        positive *= factor
        zero = Self.leastZero
    }

    /// -log2 of each, in bits.
    var information: (negative: Float, zero: Float, positive: Float) { (-log2(negative), -log2(zero), -log2(positive)) }
}
