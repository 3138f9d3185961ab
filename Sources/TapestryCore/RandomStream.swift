/// A reproducible stream of random numbers named by a key: the same key gives the same numbers, on every machine and in
/// any order of asking for streams. Whatever is random in Tapestry draws from the stream of its own key (the seed, the
/// purpose, and indices such as epoch and image), so that no result depends on the number of threads or processes.
///
/// The key is absorbed by, and the numbers are drawn from, SplitMix64 (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", OOPSLA 2014).
public struct RandomStream: RandomNumberGenerator, Sendable {
    /// What a stream is for. Raw values are part of every key: never reuse or renumber one.
    public enum Purpose: UInt64, Sendable {
        case initialWeights = 1
        case dataOrder = 2
        case augmentation = 3
        case dropout = 4
        case test = 5
        case certificate = 6
        case measurement = 7
        /// The moments at which `tapestry soak` kills.
        case soak = 8
    }

    private var state: UInt64

    public init(seed: UInt64, purpose: Purpose, _ indices: UInt64...) {
        var key = Self.mix(seed &+ Self.increment)
        key = Self.mix(key ^ Self.mix(purpose.rawValue &* Self.increment))
        for index in indices { key = Self.mix((key &+ Self.increment) ^ Self.mix(index &+ Self.increment)) }
        state = key
    }

    public mutating func next() -> UInt64 {
        state &+= Self.increment
        return Self.mix(state)
    }

    /// Uniform in [0, 1), with 53 random bits.
    public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Uniform in `range`.
    public mutating func uniform(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// Uniform in 0..<bound, by the high half of a product (bias below bound / 2^64). Precondition: bound > 0.
    public mutating func integer(below bound: Int) -> Int {
        precondition(bound > 0)
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// 0..<count in a random order (Fisher and Yates).
    public mutating func permutation(of count: Int) -> [Int] {
        var order = Array(0..<count)
        for index in stride(from: count - 1, to: 0, by: -1) { order.swapAt(index, integer(below: index + 1)) }
        return order
    }

    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
