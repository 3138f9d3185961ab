import TapestryCore

/// Damaging bytes in every systematic way a parser must survive.
public enum Damage {
    /// The lengths at which `parse` accepts a truncated copy of `bytes`, which should be none.
    public static func truncationsAccepted(
        of bytes: [UInt8], every step: Int = 1, by parse: ([UInt8]) throws -> Void
    ) -> [Int] {
        stride(from: 0, to: bytes.count, by: step).filter { length in
            do {
                try parse(Array(bytes[..<length]))
                return true
            } catch { return false }
        }
    }

    /// Parses copies with a few bytes changed until the time is over; a crash or a hang is the failure it looks for.
    ///
    /// Prints the seed first, so that a failing run can be repeated. Gives the errors that are not of the type expected.
    public static func flip<Expected: Error>(
        _ bytes: [UInt8], for duration: Duration, expecting: Expected.Type,
        seed: UInt64 = UInt64.random(in: 0...UInt64.max), by parse: ([UInt8]) throws -> Void
    ) -> [any Error] {
        print("byte flips with seed \(seed)")
        var random = RandomStream(seed: seed, purpose: .test)
        let clock = ContinuousClock()
        let end = clock.now + duration
        var surprises: [any Error] = []
        while clock.now < end && !bytes.isEmpty {
            var damaged = bytes
            for _ in 0...random.integer(below: 4) {
                damaged[random.integer(below: bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            }
            do { try parse(damaged) } catch is Expected {} catch { surprises.append(error) }
        }
        return surprises
    }
}
