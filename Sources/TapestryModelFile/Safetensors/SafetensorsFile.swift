import TapestryCore

/// Named tensors and a map of strings in one file, huggingface's safetensors format: the header's length as a
/// little-endian 64-bit integer, a JSON header, the tensors' bytes (little-endian, row-major) without gaps.
///
/// Tensors that are packed (see `Packing`) are unpacked when they are read: nobody else has to know. What is written has
/// digests (see `FileDigests`), which are checked where a file has them.
public struct SafetensorsFile: Equatable, Sendable {
    public typealias Entry = NamedTensor

    public var metadata: [String: String]
    /// In the order of their bytes in the file.
    public var tensors: [Entry]
    /// What those tensors took that were packed in the file read, by name.
    public private(set) var packedSizes: [String: PackedSize] = [:]

    public init(metadata: [String: String] = [:], tensors: [Entry] = []) {
        self.metadata = metadata
        self.tensors = tensors
    }

    /// The tensor of that name, if there is one.
    public subscript(name: String) -> StoredTensor? { tensors.first { $0.name == name }?.tensor }

    /// Reads the file at `path`; F16, BF16 and F64 become 32-bit floating point.
    ///
    /// Throws: `InputNotFound`; `FormatError` if the file is not whole, the header not strict JSON, a type not among
    /// F32 F64 F16 BF16 I64 I32 I16 I8 U8 BOOL, the tensors' ranges do not tile the data, or bytes are not those that were
    /// written: it names the tensor, or the header.
    public static func read(_ path: String) throws -> SafetensorsFile {
        let (file, header) = try open(path)
        var unpacker = try Unpacker(header, path: path)
        let tensors = try header.entries.map { entry in
            let packed = try unpacker.tensor(of: entry, in: file)
            return Entry(name: entry.name, tensor: try packed ?? checkedTensor(of: entry, in: file))
        }
        var result = SafetensorsFile(metadata: header.metadata, tensors: tensors)
        result.metadata[PackedIndex.key] = nil
        result.packedSizes = unpacker.sizes
        return result
    }

    private static func checkedTensor(of entry: SafetensorsHeader.Entry, in file: InputFile) throws -> StoredTensor {
        // Elements that are widened, or may be none at all, are no longer the bytes that were in the file.
        let isKept = entry.type.isStored && entry.type != .bool
        if entry.digest != nil, !isKept {
            try file.bytes(at: entry.offset, count: entry.byteCount).withUnsafeBytes {
                try entry.check($0, in: file.path)
            }
        }
        let tensor = try StoredTensor(entry.type, StridedLayout(rowMajor: entry.shape), of: file, at: entry.offset)
        if isKept { try tensor.withBytes { try entry.check($0, in: file.path) } }
        return tensor
    }

    /// The element type that each tensor of the file at `path` is stored in, as the format calls it: `F16`; `F32` for one
    /// that is packed.
    ///
    /// Throws: as `read`.
    public static func typeNames(in path: String) throws -> [String: String] {
        let header = try open(path).header
        let packed = try PackedIndex(header.metadata, file: path).entries
        return Dictionary(
            header.entries.map { ($0.name, packed[$0.name] == nil ? $0.type.rawValue : StoredType.float32.rawValue) },
            uniquingKeysWith: { first, _ in first })
    }

    /// The metadata of the file at `path`, whose tensors are not read.
    ///
    /// Throws: as `read`.
    public static func metadata(in path: String) throws -> [String: String] {
        try open(path).header.metadata.filter { $0.key != PackedIndex.key }
    }

    private static func open(_ path: String) throws -> (file: InputFile, header: SafetensorsHeader) {
        let file = try InputFile(path: path)
        guard file.size >= 8 else {
            throw FormatError(
                file: path, offset: file.size, reason: "expected 8 bytes of header length, found \(file.size)")
        }
        let length = try file.bytes(at: 0, count: 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(file.size - 8), length <= UInt64(SafetensorsHeader.sizeLimit) else {
            throw FormatError(
                file: path, offset: 0,
                reason:
                    "expected a header length of at most \(min(file.size - 8, SafetensorsHeader.sizeLimit)), found \(length)"
            )
        }
        let bytes = try file.bytes(at: 8, count: Int(length))
        return (file, try SafetensorsHeader(bytes, file: path, fileSize: file.size))
    }

    /// Writes the file whole or not at all (`AtomicFile`); the same contents always give the same bytes, tensors in
    /// the order given and metadata by key.
    ///
    /// Preconditions: names are distinct and not `__metadata__`. Throws: `WriteError`.
    public func write(to path: String, keepingOldAt older: String? = nil) throws {
        precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors have one name")
        var header = header(digests: FileDigests.members(for: tensors))
        FileDigests.sealHeader(&header)
        try AtomicFile.write(to: path, keepingOldAt: older) { output in
            try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try output.write($0) }
            try header.withUnsafeBytes { try output.write($0) }
            for entry in tensors { try entry.tensor.withBytes { try output.write($0) } }
        }
    }

    /// What `write` writes.
    public var byteCount: Int {
        header(digests: FileDigests.placeholders(for: tensors)).count + 8
            + tensors.reduce(0) { $0 + $1.tensor.byteCount }
    }

    private func header(digests: [(key: String, value: String)]) -> [UInt8] {
        // Digests that stand in the metadata already are those of another file.
        let others = metadata.filter { !FileDigests.keys.contains($0.key) }.sorted { $0.key < $1.key }
        let pairs = (digests + others).map { "\(JSONText.quoted($0)):\(JSONText.quoted($1))" }
        var members = ["\"__metadata__\":{\(pairs.joined(separator: ","))}"]
        var offset = 0
        for entry in tensors {
            precondition(entry.name != "__metadata__", "a tensor has the name of the metadata")
            let end = offset + entry.tensor.byteCount
            let shape = entry.tensor.shape.dimensions.map(String.init).joined(separator: ",")
            members.append(
                "\(JSONText.quoted(entry.name)):{\"dtype\":\"\(entry.tensor.type.rawValue)\",\"shape\":[\(shape)],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var bytes = Array("{\(members.joined(separator: ","))}".utf8)
        // Spaces up to a multiple of 8 align the tensors for readers that map the file.
        while !bytes.count.isMultiple(of: 8) { bytes.append(UInt8(ascii: " ")) }
        return bytes
    }
}
