/// PyTorch's format since 1.6: a zip file with the pickled value as `NAME/data.pkl` and each storage as `NAME/data/KEY`.
///
/// Source: `_save` in PyTorch's torch/serialization.py.
enum PyTorchZipFormat {
    /// Throws: `FormatError`.
    static func contents(of file: InputFile, budget: MemoryBudget) throws -> PyTorchContents {
        let archive = try ZipArchive(file, budget: budget)
        let suffix = "/data.pkl"
        let pickles = archive.entries.filter { $0.name.hasSuffix(suffix) }
        guard let pickle = pickles.first, pickles.count == 1 else {
            throw FormatError(
                file: file.path,
                reason: "expected a PyTorch archive with one data.pkl, found a zip file with \(pickles.count)")
        }
        let prefix = pickle.name.dropLast(suffix.count) + "/"
        var entries: [Substring: ZipArchive.Entry] = [:]
        for entry in archive.entries where entry.name.hasPrefix(prefix) {
            entries[entry.name.dropFirst(prefix.count)] = entry
        }
        guard entries["constants.pkl"] == nil else {
            throw FormatError(
                file: file.path,
                reason: "expected a checkpoint, found a TorchScript program; save its state_dict() instead")
        }
        try checkVersion(entries["version"], in: file)
        if let order = entries["byteorder"] {
            guard try bytes(of: order, in: file, limit: 16).elementsEqual("little".utf8) else {
                throw FormatError(
                    file: file.path, offset: order.offset, reason: "expected byte order little, found another")
            }
        }
        try budget.charge(min(pickle.byteCount, PyTorchContents.pickleSizeLimit))
        var reader = ByteReader(
            file: file.path, bytes: try bytes(of: pickle, in: file, limit: PyTorchContents.pickleSizeLimit),
            base: pickle.offset)
        let value = try PickleReader.read(&reader, dialect: PyTorchGlobals.dialect, budget: budget)
        guard reader.remaining == 0 else { throw reader.error("expected the end of data.pkl, found more bytes") }
        var storages: [String: PyTorchContents.Extent] = [:]
        let data = "data/"
        for (name, entry) in entries where name.hasPrefix(data) {
            storages[String(name.dropFirst(data.count))] = PyTorchContents.Extent(
                offset: entry.offset, byteCount: entry.byteCount, checksum: entry.checksum)
        }
        return PyTorchContents(root: value.root, storages: storages)
    }

    /// The versions of the archive that PyTorch has written and announced.
    private static let versions = 1...10

    private static func checkVersion(_ entry: ZipArchive.Entry?, in file: InputFile) throws {
        guard let entry else {
            throw FormatError(file: file.path, reason: "expected a PyTorch archive with its version, found none")
        }
        let text = String(decoding: try bytes(of: entry, in: file, limit: 16), as: UTF8.self)
        guard let version = Int(text.hasSuffix("\n") ? text.dropLast() : text[...]), versions.contains(version) else {
            throw FormatError(
                file: file.path, offset: entry.offset,
                reason: "expected a version from \(versions.lowerBound) to \(versions.upperBound), found another")
        }
    }

    private static func bytes(of entry: ZipArchive.Entry, in file: InputFile, limit: Int) throws -> [UInt8] {
        guard entry.byteCount <= limit else {
            throw FormatError(
                file: file.path, offset: entry.offset,
                reason: "expected \(JSONText.quoted(entry.name)) of at most \(limit) bytes, found \(entry.byteCount)")
        }
        try CRC32.check(file, from: entry.offset, count: entry.byteCount, against: entry.checksum)
        return try file.bytes(at: entry.offset, count: entry.byteCount)
    }
}
