/// Reads what `RangeEncoder` wrote. Any bytes decode to some bits; whether they are the code of those is known at the end.
struct RangeDecoder: BinaryCoder {
    private let rates: UnsafePointer<UInt32>
    private let code: UnsafeBufferPointer<UInt8>
    private var position = 0
    private var range = UInt32.max
    /// Where in the interval the code is.
    private var distance: UInt32 = 0
    /// The last four bytes read.
    private var tail: UInt32 = 0
    /// Whether the code begins with a number in the first interval, as only four bytes of 0xFF do not.
    private let isInside: Bool

    /// Precondition: `rates` points to `AdaptiveBit.rates`, and both pointers are good while the decoder is used.
    init(_ code: UnsafeBufferPointer<UInt8>, rates: UnsafePointer<UInt32>) {
        (self.code, self.rates) = (code, rates)
        isInside = code.count < 4 || code.prefix(4).contains { $0 != 0xFF }
        for _ in 0..<4 { distance = distance << 8 | next() }
    }

    @inline(__always)
    mutating func code(_: Bool, _ chance: inout AdaptiveBit) -> Bool {
        let share = RangeCoding.share(of: chance, in: range)
        let bit = distance < share
        if bit {
            range = share
        } else {
            distance &-= share
            range &-= share
        }
        chance.learn(bit, rates: rates)
        while range < RangeCoding.shortest {
            range &<<= 8
            distance = distance &<< 8 | next()
        }
        return bit
    }

    /// Whether the code is exactly what an encoder makes of the bits decoded: nothing lacks, and nothing is left over.
    var isAtEnd: Bool {
        isInside && position >= code.count && code.last != 0
            && RangeCoding.end(low: tail &- distance, range: range) == distance
    }

    /// The code's next byte; zero behind its end.
    @inline(__always)
    private mutating func next() -> UInt32 {
        let byte = position < code.count ? UInt32(code.baseAddress.unsafelyUnwrapped[position]) : 0
        position &+= 1
        tail = tail &<< 8 | byte
        return byte
    }
}
