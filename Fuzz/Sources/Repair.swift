import Czlib
import TapestryFormats

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

    /// Each entry's checksum and offset, and where the directory is.
    static func zip(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        guard bytes.count >= 26, let end = find([0x50, 0x4B, 5, 6], in: bytes, from: bytes.count - 22),
            let first = find([0x50, 0x4B, 1, 2], in: bytes, from: 0)
        else { return }
        var entries = find([0x50, 0x4B, 3, 4], in: bytes, from: 0)
        var listed: Int? = first
        while let entry = entries, let place = listed, place + 46 <= bytes.count {
            set(entry, 4, at: place + 42, in: bytes)
            let start = entry + 30 + number(2, at: entry + 26, in: bytes) + number(2, at: entry + 28, in: bytes)
            // The fields of 32 bits or, where that is full, the first two of the extra ones.
            let extra = place + 46 + number(2, at: place + 28, in: bytes)
            let size = number(4, at: place + 24, in: bytes)
            let count = size == 0xFFFF_FFFF ? number(8, at: extra + 4, in: bytes) : size
            if count >= 0, start + 4 <= bytes.count, count <= bytes.count - start {
                let sum = Int(crc32(0, bytes.baseAddress! + start, UInt32(count)))
                set(sum, 4, at: place + 16, in: bytes)
                // Where it follows the bytes, it stays zero here.
                if number(4, at: entry + 14, in: bytes) != 0 { set(sum, 4, at: entry + 14, in: bytes) }
            }
            entries = find([0x50, 0x4B, 3, 4], in: bytes, from: entry + 4)
            listed = find([0x50, 0x4B, 1, 2], in: bytes, from: place + 4)
        }
        let wide = find([0x50, 0x4B, 6, 6], in: bytes, from: first)
        if let wide {
            set(wide - first, 8, at: wide + 40, in: bytes)
            set(first, 8, at: wide + 48, in: bytes)
            if let locator = find([0x50, 0x4B, 6, 7], in: bytes, from: wide) {
                set(wide, 8, at: locator + 8, in: bytes)
            }
        }
        set((wide ?? end) - first, 4, at: end + 12, in: bytes)
        set(first, 4, at: end + 16, in: bytes)
    }

    /// Where the file ends, and the checksums of a newer superblock and of object headers and their parts.
    static func hdf5(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        guard bytes.count >= 48 else { return }
        if bytes[8] < 2 {
            if number(8, at: 40, in: bytes) > bytes.count { set(bytes.count, 8, at: 40, in: bytes) }
        } else {
            if number(8, at: 28, in: bytes) > bytes.count { set(bytes.count, 8, at: 28, in: bytes) }
            setLookup3(of: 0..<44, in: bytes)
        }
        var next = find(Array("OHDR".utf8), in: bytes, from: 0)
        while let start = next, start + 6 <= bytes.count {
            let flags = bytes[start + 5]
            let width = 1 << Int(flags & 3)
            let place = start + 6 + (flags & 0x20 != 0 ? 16 : 0) + (flags & 0x10 != 0 ? 4 : 0)
            let size = number(width, at: place, in: bytes)
            let first = place + width
            if size >= 0, first <= bytes.count, size <= bytes.count - first {
                repairParts(of: first..<first + size, messageSize: flags & 4 != 0 ? 6 : 4, in: bytes)
                setLookup3(of: start..<first + size, in: bytes)
            }
            next = find(Array("OHDR".utf8), in: bytes, from: start + 4)
        }
    }

    /// The checksums of the parts to which messages lead.
    private static func repairParts(
        of messages: Range<Int>, messageSize: Int, in bytes: UnsafeMutableBufferPointer<UInt8>
    ) {
        var place = messages.lowerBound
        while place + messageSize <= messages.upperBound {
            let body = place + messageSize
            if bytes[place] == 0x10 {
                let (start, count) = (number(8, at: body, in: bytes), number(8, at: body + 8, in: bytes))
                if start >= 0, count >= 4, start <= bytes.count, count <= bytes.count - start {
                    setLookup3(of: start..<start + count - 4, in: bytes)
                }
            }
            place = body + number(2, at: place + 1, in: bytes)
        }
    }

    private static func setLookup3(of range: Range<Int>, in bytes: UnsafeMutableBufferPointer<UInt8>) {
        set(Int(Lookup3.hash(Array(bytes[range])[...])), 4, at: range.upperBound, in: bytes)
    }

    /// A little-endian number; -1 if it does not lie in the bytes or is not below 2^63.
    private static func number(_ width: Int, at place: Int, in bytes: UnsafeMutableBufferPointer<UInt8>) -> Int {
        guard place >= 0, place <= bytes.count - width else { return -1 }
        return Int(exactly: bytes[place..<place + width].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) ?? -1
    }

    private static func set(_ value: Int, _ width: Int, at place: Int, in bytes: UnsafeMutableBufferPointer<UInt8>) {
        guard place >= 0, place <= bytes.count - width else { return }
        for index in 0..<width { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
    }

    /// The first place from `start` on where the bytes are those.
    private static func find(
        _ pattern: [UInt8], in bytes: UnsafeMutableBufferPointer<UInt8>, from start: Int
    ) -> Int? {
        guard start >= 0, start <= bytes.count - pattern.count else { return nil }
        return (start...bytes.count - pattern.count).first { place in
            pattern.indices.allSatisfy { bytes[place + $0] == pattern[$0] }
        }
    }

    /// The header's length: up to the last brace, and the spaces after it; and its digest.
    static func safetensors(_ bytes: UnsafeMutableBufferPointer<UInt8>) {
        guard bytes.count > 8, var end = bytes.lastIndex(of: UInt8(ascii: "}")) else { return }
        repeat { end += 1 } while end < bytes.count && bytes[end] == UInt8(ascii: " ")
        guard end > 8 else { return }
        for place in 0..<8 { bytes[place] = UInt8(truncatingIfNeeded: (end - 8) >> (8 * place)) }
        var header = Array(bytes[8..<end])
        FileDigests.sealHeader(&header)
        for (index, byte) in header.enumerated() { bytes[8 + index] = byte }
    }
}
