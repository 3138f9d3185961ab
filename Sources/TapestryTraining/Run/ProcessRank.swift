/// Which of the processes that train one network together this is. Data order, random numbers and checkpoints are
/// functions of it; one process is the only, first one.
public struct ProcessRank: Equatable, Sendable {
    public let rank: Int
    public let worldSize: Int

    /// Precondition: `0 <= rank < worldSize`.
    public init(rank: Int, worldSize: Int) {
        precondition(rank >= 0 && rank < worldSize)
        self.rank = rank
        self.worldSize = worldSize
    }

    public static let single = ProcessRank(rank: 0, worldSize: 1)

    /// Whether this process writes the run's files.
    public var isWriter: Bool { rank == 0 }
}
