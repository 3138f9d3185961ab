/// Writes bits in about as many as they are worth, by probabilities that learn.
struct RangeEncoder: BinaryCoder {
    private let rates: UnsafePointer<UInt32>
    private var low: UInt64 = 0
    private var range = UInt32.max
    /// The last byte that moved out, which a carry may still raise, and how many bytes of 0xFF follow it, which a carry
    /// would make zeros.
    private var held: UInt8 = 0
    private var heldOnes = 0
    private var bytes: [UInt8] = []

    /// Precondition: `rates` points to `AdaptiveBit.rates` while the encoder is used.
    init(rates: UnsafePointer<UInt32>) { self.rates = rates }

    mutating func code(_ bit: Bool, _ chance: inout AdaptiveBit) -> Bool {
        let share = RangeCoding.share(of: chance, in: range)
        if bit {
            range = share
        } else {
            low += UInt64(share)
            range -= share
        }
        chance.learn(bit, rates: rates)
        while range < RangeCoding.shortest {
            range <<= 8
            moveOut()
        }
        return bit
    }

    /// The code. Zeros at its end are left out: a decoder takes them for granted.
    mutating func finish() -> [UInt8] {
        low += UInt64(RangeCoding.end(low: UInt32(truncatingIfNeeded: low), range: range))
        for _ in 0..<5 { moveOut() }
        // What is held at first is no byte of the code.
        var code = bytes.dropFirst()
        while code.last == 0 { code.removeLast() }
        return Array(code)
    }

    private mutating func moveOut() {
        if low < 0xFF00_0000 || low > UInt32.max {
            let carry = UInt8(truncatingIfNeeded: low >> 32)
            bytes.append(held &+ carry)
            bytes.append(contentsOf: repeatElement(0xFF &+ carry, count: heldOnes))
            held = UInt8(truncatingIfNeeded: low >> 24)
            heldOnes = 0
        } else {
            heldOnes += 1
        }
        low = (low & 0x00FF_FFFF) << 8
    }
}
