/// A cursor over bytes in memory; every read is checked against what is left before it happens.
package struct ByteReader {
    package let file: String
    package let bytes: [UInt8]
    package private(set) var offset = 0
    /// Where the bytes begin in the file.
    private let base: Int

    package init(file: String, bytes: [UInt8], base: Int = 0) {
        self.file = file
        self.bytes = bytes
        self.base = base
    }

    package var remaining: Int { bytes.count - offset }

    /// The place in the file of an offset in the bytes.
    package func place(of offset: Int) -> Int { base + offset }

    /// An error at the cursor, or at `offset` where that names the place better.
    package func error(_ reason: String, at offset: Int? = nil) -> FormatError {
        FormatError(file: file, offset: place(of: offset ?? self.offset), reason: reason)
    }

    /// The range of the next `count` bytes, which it steps over.
    package mutating func take(_ count: Int, for purpose: String) throws -> Range<Int> {
        guard count >= 0, count <= remaining else {
            throw error("expected \(count) bytes of \(purpose), found \(remaining)")
        }
        defer { offset += count }
        return offset..<offset + count
    }

    package mutating func byte(for purpose: String) throws -> UInt8 { bytes[try take(1, for: purpose).lowerBound] }

    /// A little-endian unsigned integer of `width` bytes.
    package mutating func littleEndian(_ width: Int, for purpose: String) throws -> UInt64 {
        bytes[try take(width, for: purpose)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// A line's bytes without its newline, which it steps over.
    package mutating func line(for purpose: String) throws -> [UInt8] {
        guard let end = bytes[offset...].firstIndex(of: UInt8(ascii: "\n")) else {
            throw error("expected a line of \(purpose), found no newline")
        }
        defer { offset = end + 1 }
        return Array(bytes[offset..<end])
    }
}
