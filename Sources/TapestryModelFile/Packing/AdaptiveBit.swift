/// How likely a one is, learned from the bits so far: (ones + 1/2) / (bits + 1), the Krichevsky-Trofimov estimate, which
/// costs about half of log2(bits) bits more than the best fixed probability. After `limit` bits, older ones fade.
struct AdaptiveBit: BitwiseCopyable {
    /// In 2^-32.
    private(set) var probability: UInt32 = 1 << 31
    private var count: UInt32 = 0

    private static let limit: UInt32 = 1023

    /// What `learn` moves a probability by, after so many bits, in 2^-16: a table, as a division would take longer than
    /// all else.
    static let rates = (0...limit).map { 65536 / ($0 + 2) }

    /// Precondition: `rates` points to `AdaptiveBit.rates`.
    @inline(__always)
    mutating func learn(_ bit: Bool, rates: UnsafePointer<UInt32>) {
        let goal: Int64 = bit ? 0xFFFF_FFFF : 0
        let step = ((goal &- Int64(probability)) &* Int64(rates[Int(count)])) &>> 16
        probability = UInt32(truncatingIfNeeded: Int64(probability) &+ step)
        if count < Self.limit { count &+= 1 }
    }
}

/// What codes bits one after the other: an encoder takes them and gives them back, a decoder gives those that were
/// encoded, whatever it is called with. So a model of the bits is written once for both.
protocol BinaryCoder {
    mutating func code(_ bit: Bool, _ chance: inout AdaptiveBit) -> Bool
}

/// The arithmetic that both directions share. A coder keeps an interval of 32-bit numbers, and each bit takes its share of
/// it; once the interval is shorter than 2^24, its first byte is known and moves out.
///
/// Source: the range coder of G. N. N. Martin (1979), with the carries of LZMA's.
enum RangeCoding {
    static let shortest: UInt32 = 1 << 24

    /// The part of `range` that a one takes: never none of it, and never all.
    @inline(__always)
    static func share(of chance: AdaptiveBit, in range: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: (UInt64(range) &* UInt64(chance.probability &>> 16 | 1)) &>> 16)
    }

    /// The number in the interval that begins at `low` which ends in the most zero bytes, as a distance from `low`: what
    /// an encoder ends with, so that it can leave zeros out, and the only end that a decoder takes.
    static func end(low: UInt32, range: UInt32) -> UInt32 {
        for zeros in [UInt32(24), 16, 8] {
            let distance = (0 &- low) & (1 << zeros - 1)
            if distance < range { return distance }
        }
        return 0
    }
}
