/// A format of untrusted bytes: how it is read, and the examples from which a fuzzer starts.
struct Format: Sendable {
    /// What `./dev fuzz` calls it.
    let name: String
    let summary: String
    /// The longest input tried, in bytes: long enough for every part of the format, short enough for many a second.
    let longest: Int
    let seeds: @Sendable () throws -> [[UInt8]]
    /// Sets checksums and lengths right in bytes that were changed, so that what lies behind them is reached too.
    let repair: @Sendable (UnsafeMutableBufferPointer<UInt8>) -> Void
    /// Reads an input and throws what its reader throws; traps where what it read cannot be right.
    let read: @Sendable (Input) throws -> Void

    init(
        _ name: String, _ summary: String, longest: Int, seeds: @escaping @Sendable () throws -> [[UInt8]],
        repair: @escaping @Sendable (UnsafeMutableBufferPointer<UInt8>) -> Void = { _ in },
        read: @escaping @Sendable (Input) throws -> Void
    ) {
        self.name = name
        self.summary = summary
        self.longest = longest
        self.seeds = seeds
        self.repair = repair
        self.read = read
    }
}
