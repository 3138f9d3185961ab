import TapestryCore

/// A safetensors header, validated as a whole: the tensors' ranges tile the data without gap or overlap.
///
/// Source: huggingface/safetensors, the format's README and the checks of its `Metadata::validate`.
struct SafetensorsHeader {
    struct Entry {
        let name: String
        let type: StoredType
        let shape: Shape
        /// Offset of the first byte in the file.
        let offset: Int
        let byteCount: Int
        /// Of the bytes, in files that have digests.
        fileprivate(set) var digest: String?
    }

    private(set) var metadata: [String: String] = [:]
    /// In the order of the data.
    private(set) var entries: [Entry] = []

    /// The largest header read: one string of all of it is in memory three times while it is decoded.
    static let sizeLimit = 60_000_000

    /// Precondition: `bytes` are the header's, from offset 8 of a file of `fileSize` bytes.
    ///
    /// Throws: `FormatError`, whose reason begins with "header".
    init(_ bytes: [UInt8], file: String, fileSize: Int) throws {
        do {
            try FileDigests.checkHeader(bytes, file: file)
            try parse(bytes, file: file, fileSize: fileSize)
        } catch let error as FormatError {
            throw FormatError(file: file, offset: error.offset, reason: "header: \(error.reason)")
        }
    }

    private mutating func parse(_ bytes: [UInt8], file: String, fileSize: Int) throws {
        var parser = JSONParser(file: file, bytes: bytes, base: 8, rules: .header)
        guard case .object(let members) = try parser.parse() else {
            throw FormatError(file: file, offset: 8, reason: "expected an object as header, found another value")
        }
        let start = 8 + bytes.count
        for member in members {
            if member.key == "__metadata__" {
                metadata = try Self.metadata(member.value, file: file)
            } else {
                entries.append(
                    try Self.entry(member.key, member.value, file: file, start: start, available: fileSize - start))
            }
        }
        // Empty tensors share their offset with a neighbour: they come first.
        entries.sort { ($0.offset, $0.byteCount) < ($1.offset, $1.byteCount) }
        var end = start
        for entry in entries {
            guard entry.offset == end else {
                throw FormatError(
                    file: file, offset: entry.offset,
                    reason: "expected tensor '\(entry.name)' to begin at byte \(end), where the one before ends, "
                        + "found \(entry.offset)")
            }
            end += entry.byteCount
        }
        guard end == fileSize else {
            throw FormatError(
                file: file, offset: end,
                reason: "expected the end of the file after the last tensor, found \(fileSize - end) more bytes")
        }
        let digests = try FileDigests.tensorDigests(metadata, count: entries.count, header: bytes, file: file)
        for (index, digest) in (digests ?? []).enumerated() { entries[index].digest = digest }
        for key in FileDigests.keys { metadata[key] = nil }
    }

    private static func metadata(_ value: JSONValue, file: String) throws -> [String: String] {
        guard case .object(let members) = value else {
            throw FormatError(file: file, reason: "expected an object as __metadata__, found another value")
        }
        return try Dictionary(
            uniqueKeysWithValues: members.map { member in
                guard case .string(let text) = member.value else {
                    throw FormatError(
                        file: file, reason: "expected a string as metadata '\(member.key)', found another value")
                }
                return (member.key, text)
            })
    }

    private static func entry(
        _ name: String, _ value: JSONValue, file: String, start: Int, available: Int
    ) throws -> Entry {
        func failure(_ reason: String) -> FormatError { FormatError(file: file, reason: "tensor '\(name)': \(reason)") }
        guard case .object(let members) = value, members.count == 3 else {
            throw failure("expected dtype, shape and data_offsets, found others")
        }
        let fields = Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) })
        guard case .string(let typeName)? = fields["dtype"] else { throw failure("expected a dtype, found none") }
        guard let type = StoredType(rawValue: typeName) else {
            let known = StoredType.allCases.map(\.rawValue).joined(separator: ", ")
            throw failure("expected dtype \(known), found \(typeName)")
        }
        guard let dimensions = fields["shape"]?.wholeNumbers else { throw failure("expected a shape, found none") }
        guard let range = fields["data_offsets"]?.wholeNumbers, range.count == 2 else {
            throw failure("expected two data_offsets, found others")
        }
        guard range[0] <= range[1], range[1] <= available else {
            throw failure("expected data_offsets within the file's \(available) bytes of data, found \(range)")
        }
        var byteCount = type.byteCount
        for dimension in dimensions {
            let (product, overflow) = byteCount.multipliedReportingOverflow(by: dimension)
            guard !overflow else { throw failure("expected a shape that fits in memory, found \(dimensions)") }
            byteCount = product
        }
        guard byteCount == range[1] - range[0] else {
            throw failure("expected \(byteCount) bytes for its shape \(dimensions), found \(range[1] - range[0])")
        }
        return Entry(
            name: name, type: type, shape: Shape(dimensions), offset: start + range[0], byteCount: byteCount)
    }
}

extension SafetensorsHeader.Entry {
    /// Checks the bytes of the tensor in the file at `path`, where there is a digest of them.
    ///
    /// Throws: `FormatError` that names the tensor.
    func check(_ bytes: UnsafeRawBufferPointer, in path: String) throws {
        guard let digest else { return }
        let found = FileDigests.digest(of: bytes)
        guard found == digest else {
            throw FormatError(
                file: path, offset: offset,
                reason: "tensor '\(name)': \(FileDigests.mismatch("data", digest, found))")
        }
    }
}
