/// The entries of a zip file, for the archives of which nothing but stored bytes is wanted: entries that are compressed or
/// encrypted are refused, as are archives in parts and with anything behind their end.
///
/// The directory at the end is believed only as far as it agrees with itself, with the entries' own headers, and with the
/// file's size; entries may not overlap. Source: PKWARE's APPNOTE, sections 4.3 and 4.5.3.
struct ZipArchive {
    struct Entry {
        let name: String
        /// Of the first stored byte.
        let offset: Int
        let byteCount: Int
        let checksum: UInt32
        /// Of the entry's own header.
        fileprivate let headerOffset: Int
        fileprivate let flags: Int
        fileprivate let directoryOffset: Int

        fileprivate func located(at offset: Int) -> Entry {
            Entry(
                name: name, offset: offset, byteCount: byteCount, checksum: checksum, headerOffset: headerOffset,
                flags: flags, directoryOffset: directoryOffset)
        }
    }

    /// In the order of the directory.
    private(set) var entries: [Entry] = []

    /// A directory of a hundred thousand entries is far below it.
    private static let directorySizeLimit = 16 << 20
    private static let utf8Names = 1 << 11
    private static let sizesBehind = 1 << 3

    /// Throws: `FormatError`.
    init(_ file: InputFile, budget: MemoryBudget) throws {
        let directory = try ZipDirectory(file)
        guard directory.byteCount <= Self.directorySizeLimit else {
            throw FormatError(
                file: file.path, offset: directory.offset,
                reason: "expected a directory of at most \(Self.directorySizeLimit) bytes, found \(directory.byteCount)"
            )
        }
        try budget.charge(directory.byteCount)
        var reader = ByteReader(
            file: file.path, bytes: try file.bytes(at: directory.offset, count: directory.byteCount),
            base: directory.offset)
        var names: Set<String> = []
        while reader.remaining > 0 {
            let listed = try Self.listed(&reader)
            try budget.charge(512 + 2 * listed.name.utf8.count)
            let entry = try Self.locate(listed, in: file, before: directory.offset)
            guard names.insert(entry.name).inserted else {
                throw FormatError(
                    file: file.path, offset: entry.directoryOffset,
                    reason: "expected distinct entries, found \(JSONText.quoted(entry.name)) twice")
            }
            entries.append(entry)
        }
        guard entries.count == directory.entryCount else {
            throw FormatError(
                file: file.path, offset: directory.offset,
                reason: "expected \(directory.entryCount) entries in the directory, found \(entries.count)")
        }
        let sorted = entries.sorted { $0.headerOffset < $1.headerOffset }
        for (entry, next) in zip(sorted, sorted.dropFirst()) where next.headerOffset < entry.offset + entry.byteCount {
            throw FormatError(
                file: file.path, offset: next.headerOffset,
                reason: "expected entries apart from each other, found \(JSONText.quoted(next.name)) begin within "
                    + JSONText.quoted(entry.name))
        }
    }

    /// The next entry of the directory, whose `offset` is not known yet.
    private static func listed(_ reader: inout ByteReader) throws -> Entry {
        let start = reader.offset
        func error(_ reason: String) -> FormatError { reader.error(reason, at: start) }
        guard try reader.littleEndian(4, for: "directory entry") == 0x0201_4B50 else {
            throw error("expected an entry of the zip directory, found other bytes")
        }
        _ = try reader.take(4, for: "versions")
        let flags = Int(try reader.littleEndian(2, for: "flags"))
        let method = try reader.littleEndian(2, for: "method")
        _ = try reader.take(4, for: "time")
        let checksum = UInt32(try reader.littleEndian(4, for: "checksum"))
        let stored = try reader.littleEndian(4, for: "compressed size")
        let size = try reader.littleEndian(4, for: "size")
        let nameCount = Int(try reader.littleEndian(2, for: "name length"))
        let extraCount = Int(try reader.littleEndian(2, for: "extra length"))
        let commentCount = Int(try reader.littleEndian(2, for: "comment length"))
        let disk = try reader.littleEndian(2, for: "disk")
        _ = try reader.take(6, for: "attributes")
        let header = try reader.littleEndian(4, for: "offset")
        guard let name = String(validating: reader.bytes[try reader.take(nameCount, for: "name")], as: UTF8.self) else {
            throw error("expected a name in UTF-8, found other bytes")
        }
        var wide = ZipWideFields(reader.bytes[try reader.take(extraCount, for: "extra fields")])
        _ = try reader.take(commentCount, for: "comment")
        // Where a field of 32 bits is full, the number is among the extra fields, in this order.
        guard let size = wide.resolve(size), let stored = wide.resolve(stored), let header = wide.resolve(header) else {
            throw error("expected an entry's sizes and offset in 63 bits, found others")
        }
        guard method == 0, size == stored else {
            throw error("expected stored entries, as PyTorch writes them, found \(JSONText.quoted(name)) compressed")
        }
        guard flags & ~(utf8Names | sizesBehind) == 0, disk == 0, !name.isEmpty else {
            throw error("expected a plain entry, found one that is encrypted, in another part or without name")
        }
        return Entry(
            name: name, offset: 0, byteCount: size, checksum: checksum, headerOffset: header, flags: flags,
            directoryOffset: reader.place(of: start))
    }

    /// The entry with the place that follows from its own header, which must agree with the directory.
    private static func locate(_ entry: Entry, in file: InputFile, before end: Int) throws -> Entry {
        let fixedCount = 30
        func error(_ reason: String) -> FormatError {
            FormatError(file: file.path, offset: entry.headerOffset, reason: reason)
        }
        guard entry.headerOffset <= end - fixedCount else {
            throw FormatError(
                file: file.path, offset: entry.directoryOffset,
                reason: "expected an entry before the directory at \(end), found one at \(entry.headerOffset)")
        }
        var reader = ByteReader(
            file: file.path, bytes: try file.bytes(at: entry.headerOffset, count: fixedCount), base: entry.headerOffset)
        guard try reader.littleEndian(4, for: "entry") == 0x0403_4B50 else {
            throw error("expected the header of \(JSONText.quoted(entry.name)), found other bytes")
        }
        _ = try reader.take(2, for: "version")
        let flags = Int(try reader.littleEndian(2, for: "flags"))
        let method = try reader.littleEndian(2, for: "method")
        _ = try reader.take(4, for: "time")
        let checksum = try reader.littleEndian(4, for: "checksum")
        let stored = try reader.littleEndian(4, for: "compressed size")
        let size = try reader.littleEndian(4, for: "size")
        let nameCount = Int(try reader.littleEndian(2, for: "name length"))
        let extraCount = Int(try reader.littleEndian(2, for: "extra length"))
        let room = end - entry.headerOffset - fixedCount - nameCount - extraCount
        guard room >= 0, entry.byteCount <= room else {
            throw error("expected \(entry.byteCount) bytes of \(JSONText.quoted(entry.name)) before the directory")
        }
        let rest = try file.bytes(at: entry.headerOffset + fixedCount, count: nameCount + extraCount)
        var wide = ZipWideFields(rest[nameCount...])
        let sizes = [wide.resolve(size), wide.resolve(stored)]
        // Sizes that follow the bytes may be zero here.
        let areBehind = flags & sizesBehind != 0 && checksum == 0 && sizes.allSatisfy { $0 == 0 }
        guard rest[..<nameCount].elementsEqual(entry.name.utf8), flags == entry.flags, method == 0,
            areBehind || checksum == UInt64(entry.checksum) && sizes.allSatisfy({ $0 == entry.byteCount })
        else { throw error("expected the header of \(JSONText.quoted(entry.name)) as in the directory, found another") }
        return entry.located(at: entry.headerOffset + fixedCount + nameCount + extraCount)
    }
}

/// The numbers of more than 32 bits among an entry's extra fields, one after the other.
struct ZipWideFields {
    private var fields: ArraySlice<UInt8> = []

    /// A full field of 32 bits, which stands for one of 64.
    static let marker: UInt64 = 0xFFFF_FFFF
    static let identifier: UInt64 = 1

    init(_ extra: ArraySlice<UInt8>) {
        var rest = extra
        while rest.count >= 4 {
            let (identifier, count) = (Self.integer(rest.prefix(2)), Int(Self.integer(rest.dropFirst(2).prefix(2))))
            rest = rest.dropFirst(4)
            if identifier == Self.identifier && count <= rest.count {
                fields = rest.prefix(count)
                return
            }
            rest = rest.dropFirst(count)
        }
    }

    /// The number for which `field` stands, itself unless it is full; nil if none is left or it is too large.
    mutating func resolve(_ field: UInt64) -> Int? {
        guard field == Self.marker else { return Int(field) }
        guard fields.count >= 8 else { return nil }
        defer { fields = fields.dropFirst(8) }
        return Int(exactly: Self.integer(fields.prefix(8)))
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
