import Czlib

/// The checksum of zip and gzip.
enum CRC32 {
    static func of(_ bytes: UnsafeRawBufferPointer, after checksum: UInt32 = 0) -> UInt32 {
        UInt32(crc32_z(uLong(checksum), bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count))
    }

    /// Throws: `FormatError` if those bytes of the file have another checksum. Precondition: they lie in the file.
    static func check(_ file: InputFile, from offset: Int, count: Int, against expected: UInt32) throws {
        var found: UInt32 = 0
        var done = 0
        while done < count {
            let piece = try file.bytes(at: offset + done, count: min(count - done, 1 << 18))
            found = piece.withUnsafeBytes { of($0, after: found) }
            done += piece.count
        }
        guard found == expected else {
            throw FormatError(
                file: file.path, offset: offset,
                reason: "expected \(count) bytes with checksum \(text(expected)), found \(text(found))")
        }
    }

    private static func text(_ checksum: UInt32) -> String { "0x" + String(checksum, radix: 16) }
}
