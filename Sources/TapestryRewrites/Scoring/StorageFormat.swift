import Glibc
import TapestryCore

/// A way of storing the weights of a layer. A layer has n weights on its support, z of them not zero, in r rows (one an
/// output channel), values of b bits, and, where it is ternary, m magnitudes: 2, or 1 where both are equal or one sign is
/// missing.
///
/// Indices have as many bits as they need: i for one of the positions of the longest row, p for one of the numbers 0 to z.
public enum StorageFormat: String, CaseIterable, Sendable {
    /// n b bits.
    case dense
    /// One bit a weight says whether it is zero, and the others follow: n + z b, or z b where no weight is zero.
    case mask
    /// Ternary layers: one mask for either sign, 2 n + m b.
    case twoMasks = "two_masks"
    /// Ternary layers: a mask, and a sign for each weight in it, n + z + m b, or z + m b where no weight is zero.
    case maskAndSigns = "mask_signs"
    /// Compressed sparse rows: the position of each weight in its row with its value, or its sign where the layer is
    /// ternary, and where each row starts: z (i + b) + (r + 1) p, or z (i + 1) + (r + 1) p + m b.
    case csr
    /// Compressed entropy rows (Wiedemann, Müller and Samek, 2019), ternary layers: in each row the positions of one
    /// value, then those of the other, z i + 2 (r + 1) p + m b.
    case cer
    /// What no code that treats weights as independent can go below: n times the entropy of the three values + m b, for
    /// other layers n times the entropy of zero or not + z b. A bound, not a format: nothing is scored by it.
    case entropy

    /// What the weights need, in bits; nil where the format is for ternary layers only.
    public func bits(_ figures: WeightFigures, precision: ScoringPrecision) -> Double? {
        let (n, z) = (Double(figures.count), Double(figures.nonzeros))
        let b = Double(precision.rawValue)
        let mask = figures.nonzeros < figures.count ? n : 0
        let starts = Double(figures.rows.count + 1) * Self.indexBits(figures.nonzeros + 1)
        let index = Self.indexBits(figures.columns)
        let levels = Double(figures.magnitudes) * b
        switch self {
        case .dense: return n * b
        case .mask: return mask + z * b
        case .csr: return figures.isTernary ? z * (index + 1) + starts + levels : z * (index + b) + starts
        case .entropy:
            let zeros = figures.count - figures.nonzeros
            guard figures.isTernary else { return Self.entropy([zeros, figures.nonzeros]) + z * b }
            return Self.entropy([zeros, figures.positives, figures.negatives]) + levels
        case .twoMasks: return figures.isTernary ? 2 * n + levels : nil
        case .maskAndSigns: return figures.isTernary ? mask + z + levels : nil
        case .cer: return figures.isTernary ? z * index + 2 * starts + levels : nil
        }
    }

    /// The smallest format that can be decoded, the first of equals, and what the weights need in it, in bits.
    public static func smallest(
        _ figures: WeightFigures, precision: ScoringPrecision
    ) -> (format: StorageFormat, bits: Double) {
        var best = (format: dense, bits: Double(figures.count * precision.rawValue))
        for format in allCases where format != .entropy {
            if let bits = format.bits(figures, precision: precision), bits < best.bits { best = (format, bits) }
        }
        return best
    }

    /// The bits that tell so many things apart.
    static func indexBits(_ count: Int) -> Double {
        count <= 1 ? 0 : Double(Int.bitWidth - (count - 1).leadingZeroBitCount)
    }

    /// The sum of the counts times the entropy of their shares, in bits.
    static func entropy(_ counts: [Int]) -> Double {
        let total = Double(counts.reduce(0, +))
        return counts.reduce(0) { $1 == 0 ? $0 : $0 - Double($1) * log2(Double($1) / total) }
    }
}
