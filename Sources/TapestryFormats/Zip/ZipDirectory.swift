/// Where the directory of a zip file lies, as the records at the file's end say.
struct ZipDirectory {
    let offset: Int
    let byteCount: Int
    let entryCount: Int

    private static let endCount = 22
    private static let locatorCount = 20
    private static let wideEndCount = 56

    /// Throws: `FormatError` unless the directory and its records end the file, without gap or comment.
    init(_ file: InputFile) throws {
        let endOffset = file.size - Self.endCount
        guard endOffset >= 0 else {
            throw FormatError(
                file: file.path, offset: file.size,
                reason: "expected a zip file of at least \(Self.endCount) bytes, found \(file.size)")
        }
        var end = ByteReader(
            file: file.path, bytes: try file.bytes(at: endOffset, count: Self.endCount), base: endOffset)
        guard try end.littleEndian(4, for: "end record") == 0x0605_4B50 else {
            throw end.error("expected the zip file's end record in its last \(Self.endCount) bytes", at: 0)
        }
        let disks = try end.littleEndian(4, for: "disks")
        let counts = [try end.littleEndian(2, for: "entries"), try end.littleEndian(2, for: "entries")]
        let size = try end.littleEndian(4, for: "directory size")
        let offset = try end.littleEndian(4, for: "directory offset")
        let commentCount = try end.littleEndian(2, for: "comment length")
        guard disks == 0, counts[0] == counts[1], commentCount == 0 else {
            throw end.error("expected one archive without comment, found parts or a comment", at: 0)
        }
        var fields = (count: counts[0], size: size, offset: offset)
        var limit = endOffset
        if let (wide, wideOffset) = try Self.wideEnd(file, before: endOffset) {
            guard fields.count == 0xFFFF || fields.count == wide.count,
                fields.size == ZipWideFields.marker || fields.size == wide.size,
                fields.offset == ZipWideFields.marker || fields.offset == wide.offset
            else { throw end.error("expected the same directory in both end records, found two", at: 0) }
            fields = wide
            limit = wideOffset
        }
        guard let start = Int(exactly: fields.offset), let byteCount = Int(exactly: fields.size), start <= limit,
            byteCount == limit - start
        else {
            throw end.error(
                "expected a directory that ends at byte \(limit), found \(fields.size) bytes at \(fields.offset)", at: 0
            )
        }
        guard let entryCount = Int(exactly: fields.count), entryCount <= byteCount / 46 else {
            throw end.error("expected entries of at least 46 bytes, found \(fields.count) in \(byteCount)", at: 0)
        }
        self.offset = start
        self.byteCount = byteCount
        self.entryCount = entryCount
    }

    /// The fields of 64 bits, which a locator before the end record announces, and where their record begins.
    private static func wideEnd(
        _ file: InputFile, before endOffset: Int
    ) throws -> ((count: UInt64, size: UInt64, offset: UInt64), Int)? {
        let locatorOffset = endOffset - locatorCount
        guard locatorOffset >= wideEndCount else { return nil }
        var locator = ByteReader(
            file: file.path, bytes: try file.bytes(at: locatorOffset, count: locatorCount), base: locatorOffset)
        guard try locator.littleEndian(4, for: "locator") == 0x0706_4B50 else { return nil }
        let disk = try locator.littleEndian(4, for: "disk")
        let offset = try locator.littleEndian(8, for: "offset")
        let disks = try locator.littleEndian(4, for: "disks")
        let wideOffset = locatorOffset - wideEndCount
        guard disk == 0, disks <= 1, offset == UInt64(wideOffset) else {
            throw locator.error("expected the zip64 end record at byte \(wideOffset), found \(offset)", at: 0)
        }
        var end = ByteReader(
            file: file.path, bytes: try file.bytes(at: wideOffset, count: wideEndCount), base: wideOffset)
        guard try end.littleEndian(4, for: "zip64 end record") == 0x0606_4B50,
            try end.littleEndian(8, for: "record size") == UInt64(wideEndCount - 12)
        else { throw end.error("expected a zip64 end record of \(wideEndCount) bytes, found other bytes", at: 0) }
        _ = try end.take(4, for: "versions")
        let inParts = try end.littleEndian(8, for: "disks")
        let counts = [try end.littleEndian(8, for: "entries"), try end.littleEndian(8, for: "entries")]
        guard inParts == 0, counts[0] == counts[1] else {
            throw end.error("expected one archive, found parts", at: 0)
        }
        let size = try end.littleEndian(8, for: "directory size")
        return ((counts[0], size, try end.littleEndian(8, for: "directory offset")), wideOffset)
    }
}
