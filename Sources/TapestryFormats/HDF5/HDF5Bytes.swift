/// Bytes that are put together for a file, little-endian.
struct HDF5Bytes {
    private(set) var bytes: [UInt8] = []

    var count: Int { bytes.count }

    mutating func append(_ more: some Sequence<UInt8>) { bytes += more }

    /// Appends `width` bytes of a number that is not negative.
    mutating func append(_ value: Int, width: Int) {
        for index in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }

    /// The address that stands for none.
    mutating func appendNoAddress() { append(repeatElement(0xFF, count: 8)) }

    mutating func appendZeros(_ count: Int) { append(repeatElement(0, count: count)) }

    /// Appends zeros up to a multiple of eight bytes.
    mutating func align() { appendZeros(Self.padding(after: count)) }

    /// The bytes from `count` to the next multiple of eight.
    static func padding(after count: Int) -> Int { (8 - count % 8) % 8 }
}
