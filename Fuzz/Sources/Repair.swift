import Czlib

/// Sets right, in bytes that were changed, what would otherwise be all that a reader looks at.
enum Repair {
    /// Each chunk's checksum.
    static func png(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        var start = 8
        while start + 12 <= bytes.count {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= bytes.count - start - 12 else { return }
            let end = start + 8 + length
            let sum = crc32(0, bytes.baseAddress! + start + 4, UInt32(length + 4))
            for place in 0..<4 { bytes[end + place] = UInt8(truncatingIfNeeded: sum >> UInt(24 - 8 * place)) }
            start = end + 4
        }
    }

    /// The header's length: up to the last brace, and the spaces after it.
    static func safetensors(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        guard bytes.count > 8, var end = bytes.lastIndex(of: UInt8(ascii: "}")) else { return }
        repeat { end += 1 } while end < bytes.count && bytes[end] == UInt8(ascii: " ")
        guard end > 8 else { return }
        for place in 0..<8 { bytes[place] = UInt8(truncatingIfNeeded: (end - 8) >> (8 * place)) }
    }
}
