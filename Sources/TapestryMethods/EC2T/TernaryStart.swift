/// Where the levels of a layer start.
public enum TernaryStart: Hashable, Sendable {
    /// w_p = share·|max w|, w_n = share·|min w|.
    case scaled(Double)
    /// The lowest and the third of so many k-means centroids, of which the one nearest to zero is held there.
    case kMeans(centroids: Int)
    /// The levels that ternary weights have already.
    case asTheyAre
}

extension TernaryStart {
    /// Precondition: `weights` has elements, and there are at least three centroids.
    func levels(of weights: [Float], reading: TernarizationReading) -> TernaryLevels {
        let (least, greatest) = weights.extremes
        switch self {
        case .scaled(let share):
            return TernaryLevels(positive: abs(greatest) * Float(share), negative: abs(least) * Float(share))
        case .kMeans(let count):
            let centroids = KMeans(count, between: least, and: greatest).centroids(of: weights, reading: reading)
            switch reading {
            // The lowest centroid is below zero and is taken for w_n as it is: what is nearest to it becomes positive,
            // until the first step raises w_n.
            case .published: return TernaryLevels(positive: centroids[2], negative: centroids[0])
            case .corrected: return TernaryLevels(positive: centroids[count - 1], negative: -centroids[0])
            }
        case .asTheyAre: return TernaryLevels(positive: max(greatest, 0), negative: max(-least, 0))
        }
    }
}

/// k-means of one layer's weights, one centroid held at zero.
private struct KMeans {
    private let start: [Float]
    private let zero: Int

    /// Below which it is taken to stand still.
    private static let leastChange: Float = 1e-6
    /// The published stopping rule may go on for ever in principle; this is far beyond what any layer takes.
    private static let mostPasses = 1000

    init(_ count: Int, between least: Float, and greatest: Float) {
        var start = (0..<count).map { least + (greatest - least) * Float($0) / Float(count - 1) }
        zero = start.indices.min { abs(start[$0]) < abs(start[$1]) } ?? 0
        start[zero] = 0
        self.start = start
    }

    /// As published a centroid is the sum of its weights over the number of all of them, and the passes end when the sum
    /// of the signed changes is small or negative; corrected, it is their mean, and all changes are small.
    func centroids(of weights: [Float], reading: TernarizationReading) -> [Float] {
        var centroids = start
        for _ in 0..<Self.mostPasses {
            var sums = Array(repeating: 0.0, count: centroids.count)
            var counts = Array(repeating: 0, count: centroids.count)
            for weight in weights {
                var nearest = 0
                for index in 1..<centroids.count
                where Self.distance(weight, centroids[index]) < Self.distance(weight, centroids[nearest]) {
                    nearest = index
                }
                sums[nearest] += Double(weight)
                counts[nearest] += 1
            }
            var (signed, largest): (Float, Float) = (0, 0)
            for index in centroids.indices where index != zero {
                let divisor = reading == .published ? weights.count : max(counts[index], 1)
                // A centroid that no weight is nearest to stays where it is, but for the published zero.
                let isEmpty = counts[index] == 0 && reading == .corrected
                let moved = isEmpty ? centroids[index] : Float(sums[index] / Double(divisor))
                signed += moved - centroids[index]
                largest = max(largest, abs(moved - centroids[index]))
                centroids[index] = moved
            }
            if (reading == .published ? signed : largest) <= Self.leastChange { break }
        }
        return centroids
    }

    private static func distance(_ weight: Float, _ centroid: Float) -> Float {
        (weight - centroid) * (weight - centroid)
    }
}

extension [Float] {
    /// The least and the greatest element; zeros where there is none.
    var extremes: (least: Float, greatest: Float) {
        guard var least = first else { return (0, 0) }
        var greatest = least
        for value in self {
            least = value < least ? value : least
            greatest = value > greatest ? value : greatest
        }
        return (least, greatest)
    }
}
