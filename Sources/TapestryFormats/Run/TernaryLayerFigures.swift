/// What a quantised layer came to: its part of a line of `metrics.jsonl`.
public struct TernaryLayerFigures: Codable, Equatable, Sendable {
    public var name: String
    /// How many of its weights are assigned each of the three values.
    public var negative: Int
    public var zero: Int
    public var positive: Int
    /// w_n and w_p.
    public var negativeLevel: Double
    public var positiveLevel: Double
    /// How strongly rare values were made rarer in the last step.
    public var lambda: Double

    public init(
        name: String, negative: Int, zero: Int, positive: Int, negativeLevel: Double, positiveLevel: Double,
        lambda: Double
    ) {
        self.name = name
        self.negative = negative
        self.zero = zero
        self.positive = positive
        self.negativeLevel = negativeLevel
        self.positiveLevel = positiveLevel
        self.lambda = lambda
    }

    public var weightCount: Int { negative + zero + positive }

    /// Whether a run can have recorded this.
    var isPossible: Bool {
        let counts = [negative, zero, positive]
        return counts.allSatisfy { (0...1 << 40).contains($0) } && weightCount > 0
            && [negativeLevel, positiveLevel, lambda].allSatisfy { $0.isFinite && abs($0) < 1e30 }
    }
}
