import TapestryCore

/// Named tensors in an HDF5 file, read and written without libhdf5.
///
/// What is read is what h5py and Keras write by default and the plainer half of what newer versions of the format can
/// say: superblocks 0 to 3, groups with symbol tables or with links in their headers, values in one piece, in object
/// headers or in chunks (also compressed with gzip). Everything else is refused by name. What is written is what h5py
/// writes by default: superblock 0, one group, values in one piece.
public struct HDF5File: Equatable, Sendable {
    /// In the order of the file; the names of groups and of the dataset are joined by "/".
    public var tensors: [NamedTensor]

    public init(tensors: [NamedTensor] = []) { self.tensors = tensors }

    /// The tensor of that name, if there is one.
    public subscript(name: String) -> StoredTensor? { tensors.first { $0.name == name }?.tensor }

    /// Reads the file at `path`. Floating-point numbers of 16 and 64 bits become 32-bit ones; integers become `int32`
    /// or `int64`, whichever is the smaller that holds them all, but for unsigned bytes. Memory: at most twice the
    /// file and 64 MB.
    ///
    /// Throws: `InputNotFound`; `FormatError` if the file is damaged, is larger in memory than that, or has anything
    /// but groups and datasets of numbers.
    public static func read(_ path: String) throws -> HDF5File {
        var file = HDF5File()
        try forEachDataset(in: path) { name, dataset, storage in
            file.tensors.append(NamedTensor(name: name, tensor: try dataset.tensor(of: storage)))
        }
        return file
    }

    /// The element type that each tensor of the file at `path` is stored in, as safetensors calls it: `F16`.
    ///
    /// Throws: as `read`, but for damage to the values.
    public static func typeNames(in path: String) throws -> [String: String] {
        var names: [String: String] = [:]
        try forEachDataset(in: path) { name, dataset, _ in names[name] = dataset.type.number.rawValue }
        return names
    }

    private static func forEachDataset(
        in path: String, _ body: (String, HDF5Dataset, HDF5Storage) throws -> Void
    ) throws {
        let storage = try HDF5Storage(path: path)
        let superblock = try HDF5Superblock(of: storage)
        storage.capacities = superblock.capacities
        let root = try HDF5ObjectHeader(at: superblock.root, of: storage)
        guard root.isGroup else {
            throw storage.error("expected a group as the root, found another object", at: root.address)
        }
        var walk = HDF5Walk(storage: storage)
        try walk.visit(root, prefix: "", depth: 0, body)
    }
}

/// A walk through the groups of a file.
private struct HDF5Walk {
    private let storage: HDF5Storage
    private var groups: HDF5GroupReader
    private var seen: Set<Int> = []

    init(storage: HDF5Storage) {
        self.storage = storage
        groups = HDF5GroupReader(storage: storage)
    }

    /// Calls `body` with all datasets of the group and of those within it.
    mutating func visit(
        _ group: HDF5ObjectHeader, prefix: String, depth: Int,
        _ body: (String, HDF5Dataset, HDF5Storage) throws -> Void
    ) throws {
        guard seen.insert(group.address).inserted else {
            throw storage.error("expected each group once, found '\(prefix)' again", at: group.address)
        }
        guard depth <= HDF5Limits.groupDepth else {
            throw storage.error(
                "expected at most \(HDF5Limits.groupDepth) groups within each other, found more", at: group.address)
        }
        for link in try groups.links(of: group, prefix: prefix) {
            let header = try HDF5ObjectHeader(at: link.address, of: storage)
            if header.isGroup {
                try visit(header, prefix: link.path + "/", depth: depth + 1, body)
                continue
            }
            do {
                try body(link.path, try HDF5Dataset(header, of: storage), storage)
            } catch let error as FormatError {
                // Beside the place, the name.
                throw FormatError(
                    file: error.file, offset: error.offset, reason: "dataset '\(link.path)': \(error.reason)")
            }
        }
    }
}
