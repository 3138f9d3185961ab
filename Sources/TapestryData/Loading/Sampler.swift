import TapestryCore

/// The order in which a data set's images are seen, and the share of them that a process takes.
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

    /// For training: a permutation of 0..<count, the same in all processes and for any number of them.
    public func trainingOrder(count: Int, seed: UInt64, epoch: Int) -> [Int] {
        var random = RandomStream(seed: seed, purpose: .dataOrder, UInt64(epoch))
        return random.permutation(of: count)
    }

    /// The part of a batch, as places in the order, that this process takes. Where the shares cannot be equal, those of
    /// the first processes have one image more; of a batch of few images, those of the last have none.
    public func share(of batch: Range<Int>) -> Range<Int> {
        let (each, rest) = batch.count.quotientAndRemainder(dividingBy: worldSize)
        let start = batch.lowerBound + rank * each + min(rank, rest)
        return start..<start + each + (rank < rest ? 1 : 0)
    }

    /// For evaluation: every `worldSize`-th of 0..<count, so that all processes together see each image exactly once.
    public func evaluationOrder(count: Int) -> [Int] { Array(stride(from: rank, to: count, by: worldSize)) }
}
