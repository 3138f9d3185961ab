import TapestryCore

extension SafetensorsFile {
    /// The file with those tensors packed that `packing` makes smaller, and what each of them takes. Packed tensors come
    /// last, so that the others keep their alignment; reading what is written gives every tensor back.
    ///
    /// Precondition: no tensor of the file is packed yet.
    public func packed(_ packing: Packing) -> (file: SafetensorsFile, sizes: [String: PackedSize]) {
        precondition(metadata[PackedIndex.key] == nil, "a file that is packed already")
        var (index, budget) = (PackedIndex(), ExpansionBudget())
        var (plain, packed): ([Entry], [Entry]) = ([], [])
        var sizes: [String: PackedSize] = [:]
        for entry in tensors {
            guard let tensor = entry.tensor.float32,
                let small = PackedTensor(tensor, packing, budget: &budget)
            else {
                plain.append(entry)
                continue
            }
            index.entries[entry.name] = PackedIndex.Entry(form: small.form, shape: tensor.shape)
            sizes[entry.name] = small.size
            packed.append(
                Entry(name: entry.name, tensor: .uint8(Tensor(shape: [small.bytes.count], elements: small.bytes))))
        }
        var file = SafetensorsFile(metadata: metadata, tensors: plain + packed)
        if !packed.isEmpty { file.metadata[PackedIndex.key] = index.text }
        return (file, sizes)
    }
}

/// Unpacks the tensors of one file.
struct Unpacker {
    private let path: String
    private let index: PackedIndex
    private var budget = ExpansionBudget()
    private(set) var sizes: [String: PackedSize] = [:]

    /// Throws: `FormatError` where the index and the header's entries do not fit each other.
    init(_ header: SafetensorsHeader, path: String) throws {
        self.path = path
        index = try PackedIndex(header.metadata, file: path)
        let bytes = header.entries.filter { $0.type == .uint8 && $0.shape.rank == 1 }
        if let name = Set(index.entries.keys).subtracting(bytes.map(\.name)).min() {
            throw FormatError(
                file: path, reason: "tensor '\(name)': expected bytes (U8, one axis) as it is packed, found others")
        }
    }

    /// The tensor that `entry` is the packed form of; nil if it is not packed.
    ///
    /// Throws: `FormatError` where the bytes are not those of the tensor, by their form or their digest.
    mutating func tensor(of entry: SafetensorsHeader.Entry, in file: InputFile) throws -> StoredTensor? {
        guard let packed = index.entries[entry.name] else { return nil }
        func failure(_ reason: String) -> FormatError {
            FormatError(file: path, offset: entry.offset, reason: "tensor '\(entry.name)': \(reason)")
        }
        guard entry.digest != nil || packed.digest != nil else { throw failure("expected a digest, found none") }
        guard budget.admits(4 * packed.shape.count, packedIn: entry.byteCount) else {
            throw failure("expected at most 1024 times its \(entry.byteCount) bytes when unpacked, found more")
        }
        let bytes = try file.bytes(at: entry.offset, count: entry.byteCount)
        try bytes.withUnsafeBytes { try entry.check($0, in: path) }
        var reader = ByteReader(file: path, bytes: bytes, base: entry.offset)
        let elements = try packed.form.elements(of: packed.shape, from: &reader)
        if let expected = packed.digest {
            let digest = SHA256.hex(of: elements)
            guard digest == expected else {
                throw failure("expected weights whose SHA-256 is \(expected), found \(digest)")
            }
        }
        sizes[entry.name] = PackedSize(form: packed.form.rawValue, byteCount: entry.byteCount)
        return .float32(Tensor(shape: packed.shape, elements: elements))
    }
}
