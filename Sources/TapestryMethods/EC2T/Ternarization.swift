/// What is done where EC2T's published program departs from its own mathematics.
///
/// | | published | corrected |
/// |---|---|---|
/// | gradient of w_n | sum of g, as if the level were +w_n | minus the sum of g, the level being -w_n |
/// | probabilities | do not sum to one where zero's is raised | do |
/// | k-means | centroids over the number of all weights, w_n below zero | means, w_n above zero |
/// | weights of one sign | lambda below zero, which moves all of them to the empty value | no constraint from that side |
/// | pruning | gradients scaled by the levels, and levels written once the assignment stands still | neither |
public enum TernarizationReading: String, CaseIterable, Sendable {
    case published, corrected
}

/// Entropy-constrained trained ternarization of a layer's weights (EC2T), and the pruning variant of it.
///
/// A layer has full-precision weights w, levels (-w_n, 0, w_p) and an assignment of a level to each weight, that of least
/// cost (level - w)^2 - lambda·log2 P(level): rare levels cost more bits, and so become rarer still. The network runs
/// with the assigned levels; what it would change in them moves w and the levels instead.
///
/// Source: Marban, Becking, Wiedemann and Samek, "Learning sparse and ternary neural networks with entropy-constrained
/// trained ternarization (EC2T)", CVPR workshops 2020, and its published program, whose arithmetic is single precision.
public struct Ternarization: Hashable, Sendable {
    public var reading: TernarizationReading
    /// Entropy-constrained pruning: weights that are not assigned zero keep their own values.
    public var keepsMagnitudes: Bool

    public init(reading: TernarizationReading = .published, keepsMagnitudes: Bool = false) {
        self.reading = reading
        self.keepsMagnitudes = keepsMagnitudes
    }

    /// The least of a level in standard deviations of the weights.
    static let leastLevel: Float = 0.675

    /// The levels that training starts with.
    public func startingLevels(_ start: TernaryStart, of weights: [Float]) -> TernaryLevels {
        start.levels(of: weights, reading: reading)
    }

    /// The nearest level to each weight.
    public func nearest(_ weights: [Float], _ levels: TernaryLevels) -> TernaryAssignment {
        assign(weights, levels, costs: (0, 0, 0))
    }

    /// The level of least cost for each weight, and the lambda that it was found with.
    public func assign(
        _ weights: [Float], _ levels: TernaryLevels, under constraint: EntropyConstraint
    ) -> (assignment: TernaryAssignment, lambda: Float) {
        let nearest = nearest(weights, levels)
        let probabilities =
            switch reading {
            case .published: TernaryProbabilities(published: nearest.counts)
            case .corrected: TernaryProbabilities(corrected: nearest.counts)
            }
        let lambda = lambda(weights, levels, probabilities, constraint)
        guard lambda != 0 else { return (nearest, 0) }
        let bits = probabilities.information
        return (
            assign(weights, levels, costs: (lambda * bits.negative, lambda * bits.zero, lambda * bits.positive)), lambda
        )
    }

    /// The weights that the network runs with.
    public func values(_ weights: [Float], _ levels: TernaryLevels, _ assignment: TernaryAssignment) -> [Float] {
        keepsMagnitudes ? assignment.pruned(weights) : assignment.values(levels)
    }

    /// Levels of at least 0.675 standard deviations of the weights (the unbiased one).
    public func raised(_ levels: TernaryLevels, over weights: [Float]) -> TernaryLevels {
        let least = Self.leastLevel * weights.standardDeviation
        return TernaryLevels(positive: max(levels.positive, least), negative: max(levels.negative, least))
    }

    /// What the gradient of the network's weights means for the full-precision ones and for the levels.
    public func gradients(
        of gradient: [Float], _ levels: TernaryLevels, _ assignment: TernaryAssignment
    ) -> (weights: [Float], levels: TernaryLevels) {
        precondition(gradient.count == assignment.codes.count)
        let scalesMagnitudes = !keepsMagnitudes || reading == .published
        let factors: [Float] = scalesMagnitudes ? [levels.negative, 1, levels.positive] : [1, 1, 1]
        var sums = [0.0, 0.0, 0.0]
        var weights = gradient
        for (index, code) in assignment.codes.enumerated() {
            sums[Int(code)] += Double(gradient[index])
            weights[index] *= factors[Int(code)]
        }
        let negative = reading == .published ? sums[0] : -sums[0]
        return (weights, TernaryLevels(positive: Float(sums[2]), negative: Float(negative)))
    }
}

extension Ternarization {
    /// Of equal costs the lower level wins.
    private func assign(
        _ weights: [Float], _ levels: TernaryLevels, costs: (negative: Float, zero: Float, positive: Float)
    ) -> TernaryAssignment {
        let codes = [UInt8](unsafeUninitializedCapacity: weights.count) { codes, count in
            for (index, weight) in weights.enumerated() {
                let (below, above) = (-levels.negative - weight, levels.positive - weight)
                let negative = below * below + costs.negative
                let zero = weight * weight + costs.zero
                let positive = above * above + costs.positive
                let lower: UInt8 = zero < negative ? 1 : 0
                codes[index] = positive < min(negative, zero) ? 2 : lower
            }
            count = weights.count
        }
        return TernaryAssignment(codes: codes)
    }

    /// The smaller of the lambdas at which the largest and the smallest weight would change to zero, times the
    /// constraint's share and decay. Zero, which is no constraint, where that is no number.
    private func lambda(
        _ weights: [Float], _ levels: TernaryLevels, _ probabilities: TernaryProbabilities,
        _ constraint: EntropyConstraint
    ) -> Float {
        let bits = probabilities.information
        let extremes = weights.extremes
        func limit(_ magnitude: Float, _ level: Float, _ information: Float) -> Float {
            (magnitude * magnitude - (level - magnitude) * (level - magnitude)) / (information - bits.zero)
        }
        let negative = limit(abs(extremes.least), levels.negative, bits.negative)
        let positive = limit(abs(extremes.greatest), levels.positive, bits.positive)
        var limits = [negative, positive]
        if reading == .corrected {
            // A side without weights has no largest weight that could change.
            limits = [extremes.least < 0 ? negative : .infinity, extremes.greatest > 0 ? positive : .infinity]
                .map { $0 > 0 ? $0 : .infinity }
        }
        let lambda =
            (limits[0] <= limits[1] ? limits[0] : limits[1]) * Float(constraint.share) * Float(constraint.decay)
        return lambda.isFinite ? lambda : 0
    }
}

extension [Float] {
    /// The unbiased standard deviation; zero of fewer than two.
    var standardDeviation: Float {
        guard count > 1 else { return 0 }
        let mean = reduce(0.0) { $0 + Double($1) } / Double(count)
        let squares = reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
        return Float((squares / Double(count - 1)).squareRoot())
    }
}
