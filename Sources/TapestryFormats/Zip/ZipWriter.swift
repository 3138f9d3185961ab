/// Writes stored entries, one after the other, so that the same entries always give the same bytes. Every number of sizes and
/// offsets is one of 64 bits.
struct ZipWriter {
    /// Entries' bytes begin at a multiple of it, as PyTorch has them, so that they can be mapped.
    private static let alignment = 64
    /// Of the extra field that does the aligning; PyTorch's.
    private static let paddingIdentifier: UInt16 = 0x4246
    private static let version: UInt16 = 45
    private static let utf8Names: UInt16 = 1 << 11
    /// The first day that the format can say.
    private static let date: UInt16 = 1 << 5 | 1

    private var offset = 0
    private var directory = ByteWriter()
    private var count = 0

    /// Appends an entry. Preconditions: names are distinct, and shorter than 32 KB.
    ///
    /// Throws: `WriteError`.
    mutating func append(_ name: String, _ bytes: UnsafeRawBufferPointer, to file: borrowing AtomicFile) throws {
        precondition(name.utf8.count < 1 << 15, "an entry's name is too long")
        let checksum = CRC32.of(bytes)
        var sizes = ByteWriter()
        sizes.append(UInt16(ZipWideFields.identifier))
        sizes.append(UInt16(16))
        sizes.append(UInt64(bytes.count))
        sizes.append(UInt64(bytes.count))
        let unaligned = offset + 30 + name.utf8.count + sizes.bytes.count + 4
        let padding = (Self.alignment - unaligned % Self.alignment) % Self.alignment
        sizes.append(Self.paddingIdentifier)
        sizes.append(UInt16(padding))
        sizes.append([UInt8](repeating: 0, count: padding))

        var header = ByteWriter()
        header.append(UInt32(0x0403_4B50))
        Self.appendFields(name, checksum: checksum, extraCount: sizes.bytes.count, to: &header)
        header.append(name)
        header.append(sizes.bytes)
        appendToDirectory(name, checksum: checksum, byteCount: bytes.count)
        try header.bytes.withUnsafeBytes { try file.write($0) }
        try file.write(bytes)
        offset += header.bytes.count + bytes.count
    }

    mutating func append(_ name: String, _ bytes: [UInt8], to file: borrowing AtomicFile) throws {
        try bytes.withUnsafeBytes { try append(name, $0, to: file) }
    }

    /// Writes the directory and the records of the end. Throws: `WriteError`.
    func finish(_ file: borrowing AtomicFile) throws {
        let wideEnd = offset + directory.bytes.count
        var end = ByteWriter()
        end.append(UInt32(0x0606_4B50))
        end.append(UInt64(44))
        end.append(Self.version)
        end.append(Self.version)
        end.append(UInt64(0))
        end.append(UInt64(count))
        end.append(UInt64(count))
        end.append(UInt64(directory.bytes.count))
        end.append(UInt64(offset))
        end.append(UInt32(0x0706_4B50))
        end.append(UInt32(0))
        end.append(UInt64(wideEnd))
        end.append(UInt32(1))
        end.append(UInt32(0x0605_4B50))
        end.append(UInt32(0))
        end.append(UInt16.max)
        end.append(UInt16.max)
        end.append(UInt32(ZipWideFields.marker))
        end.append(UInt32(ZipWideFields.marker))
        end.append(UInt16(0))
        try directory.bytes.withUnsafeBytes { try file.write($0) }
        try end.bytes.withUnsafeBytes { try file.write($0) }
    }

    private mutating func appendToDirectory(_ name: String, checksum: UInt32, byteCount: Int) {
        directory.append(UInt32(0x0201_4B50))
        directory.append(Self.version)
        Self.appendFields(name, checksum: checksum, extraCount: 28, to: &directory)
        directory.append(UInt16(0))
        directory.append(UInt16(0))
        directory.append(UInt16(0))
        directory.append(UInt32(0))
        directory.append(UInt32(ZipWideFields.marker))
        directory.append(name)
        directory.append(UInt16(ZipWideFields.identifier))
        directory.append(UInt16(24))
        directory.append(UInt64(byteCount))
        directory.append(UInt64(byteCount))
        directory.append(UInt64(offset))
        count += 1
    }

    /// The fields that an entry's header and its place in the directory have in common.
    private static func appendFields(
        _ name: String, checksum: UInt32, extraCount: Int, to writer: inout ByteWriter
    ) {
        writer.append(version)
        writer.append(utf8Names)
        writer.append(UInt16(0))
        writer.append(UInt16(0))
        writer.append(date)
        writer.append(checksum)
        writer.append(UInt32(ZipWideFields.marker))
        writer.append(UInt32(ZipWideFields.marker))
        writer.append(UInt16(name.utf8.count))
        writer.append(UInt16(extraCount))
    }
}
