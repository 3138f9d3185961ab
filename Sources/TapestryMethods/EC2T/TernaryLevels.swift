import Foundation

/// The values of a ternary layer's weights: -negative, 0 and positive.
public struct TernaryLevels: Hashable, Sendable {
    /// w_p.
    public var positive: Float
    /// w_n: what is subtracted from zero, so that a usual layer's is above zero.
    public var negative: Float

    public init(positive: Float, negative: Float) {
        self.positive = positive
        self.negative = negative
    }

    /// The value of a weight that is assigned `code`.
    public func value(_ code: TernaryCode) -> Float {
        switch code {
        case .negative: -negative
        case .zero: 0
        case .positive: positive
        }
    }
}

/// Which of the three values a weight has.
public enum TernaryCode: UInt8, CaseIterable, Sendable {
    case negative = 0
    case zero = 1
    case positive = 2
}

/// Which value each weight of a layer has.
public struct TernaryAssignment: Hashable, Sendable {
    /// A `TernaryCode` for each weight.
    public internal(set) var codes: [UInt8]

    init(codes: [UInt8]) { self.codes = codes }

    /// Of weights that are ternary already, by their signs.
    public init(signsOf weights: [Float]) {
        codes = weights.map { value in
            let code: TernaryCode = value > 0 ? .positive : value < 0 ? .negative : .zero
            return code.rawValue
        }
    }

    public var counts: TernaryCounts {
        var counts = (0, 0)
        for code in codes {
            counts.0 += code == TernaryCode.negative.rawValue ? 1 : 0
            counts.1 += code == TernaryCode.positive.rawValue ? 1 : 0
        }
        return TernaryCounts(negative: counts.0, zero: codes.count - counts.0 - counts.1, positive: counts.1)
    }

    /// The weights that the levels make of the assignment.
    public func values(_ levels: TernaryLevels) -> [Float] {
        let values = TernaryCode.allCases.map(levels.value)
        return codes.map { values[Int($0)] }
    }

    /// `weights` without those that are assigned zero: entropy-constrained pruning.
    public func pruned(_ weights: [Float]) -> [Float] {
        zip(codes, weights).map { $0 == TernaryCode.zero.rawValue ? 0 : $1 }
    }
}

/// How many weights of a layer have each of the three values.
public struct TernaryCounts: Hashable, Sendable {
    public var negative: Int
    public var zero: Int
    public var positive: Int

    public init(negative: Int, zero: Int, positive: Int) {
        self.negative = negative
        self.zero = zero
        self.positive = positive
    }

    public var total: Int { negative + zero + positive }

    /// The share of zeros; zero where there are no weights.
    public var sparsity: Double { total > 0 ? Double(zero) / Double(total) : 0 }

    /// The zero-order entropy in bits a weight: what no code that knows the shares alone can go below.
    public var entropy: Double {
        let total = Double(max(total, 1))
        return [negative, zero, positive].reduce(0) { sum, count in
            let share = Double(count) / total
            return count > 0 ? sum - share * log2(share) : sum
        }
    }
}
