import Foundation
import TapestryCore

/// Rounds of a randomised test. Each run draws a new seed and prints it; TAPESTRY_TEST_SEED repeats one.
public enum RandomRounds {
    private static let seed: UInt64 = {
        let given = ProcessInfo.processInfo.environment["TAPESTRY_TEST_SEED"]
        return given.flatMap { UInt64($0) } ?? UInt64.random(in: 0...UInt64(UInt32.max))
    }()

    public static func run(
        _ rounds: Int, of test: String = #function, _ body: (inout RandomStream) throws -> Void
    ) rethrows {
        print("\(test): \(rounds) rounds with TAPESTRY_TEST_SEED=\(seed)")
        for round in 0..<rounds {
            var stream = RandomStream(seed: seed, purpose: .test, UInt64(round))
            try body(&stream)
        }
    }

    /// As many rounds as fit in `time`, at least one.
    public static func run(
        for time: Duration, of test: String = #function, _ body: (inout RandomStream) throws -> Void
    ) rethrows {
        print("\(test): \(time) with TAPESTRY_TEST_SEED=\(seed)")
        let end = ContinuousClock.now + time
        var round: UInt64 = 0
        repeat {
            var stream = RandomStream(seed: seed, purpose: .test, round)
            try body(&stream)
            round += 1
        } while ContinuousClock.now < end
    }
}
