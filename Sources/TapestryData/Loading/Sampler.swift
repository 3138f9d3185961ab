import TapestryCore

/// The order in which a process sees a data set's images.
public struct Sampler: Hashable, Sendable {
    /// This process among `worldSize` that share the work.
    public let rank: Int
    public let worldSize: Int

    /// Precondition: 0 <= rank < worldSize.
    public init(rank: Int = 0, worldSize: Int = 1) {
        precondition(0 <= rank && rank < worldSize)
        self.rank = rank
        self.worldSize = worldSize
    }

    /// How many of `count` images this process trains on in a pass: equally many as all others.
    public func trainingCount(of count: Int) -> Int { (count + worldSize - 1) / worldSize }

    /// For training: a permutation of 0..<count, the same in all processes, of which each takes every `worldSize`-th
    /// element. It begins again at its end until all have equally many, so that no process waits for one that is done.
    public func trainingOrder(count: Int, seed: UInt64, epoch: Int) -> [Int] {
        guard count > 0 else { return [] }
        var random = RandomStream(seed: seed, purpose: .dataOrder, UInt64(epoch))
        let order = random.permutation(of: count)
        let padded = trainingCount(of: count) * worldSize
        return stride(from: rank, to: padded, by: worldSize).map { order[$0 % count] }
    }

    /// For evaluation: every `worldSize`-th of 0..<count, so that all processes together see each image exactly once.
    public func evaluationOrder(count: Int) -> [Int] { Array(stride(from: rank, to: count, by: worldSize)) }
}
