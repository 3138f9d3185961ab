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
    public static func read(_ path: String) throws -> HDF5File { try readWithTypeNames(path).file }

    /// What `read` and `typeNames` give, in one go.
    static func readWithTypeNames(_ path: String) throws -> (file: HDF5File, typeNames: [String: String]) {
        var file = HDF5File()
        var typeNames: [String: String] = [:]
        try forEachDataset(in: path) { name, dataset, storage in
            let tensor = try dataset.tensor(of: storage)
            try dataset.addTypeName(to: &typeNames, as: name, in: storage)
            file.tensors.append(NamedTensor(name: name, tensor: tensor))
        }
        return (file, typeNames)
    }

    /// The element type that each tensor of the file at `path` is stored in, as safetensors calls it: `F16`.
    ///
    /// Throws: as `read`, but for damage to the values.
    public static func typeNames(in path: String) throws -> [String: String] {
        var names: [String: String] = [:]
        try forEachDataset(in: path) { try $1.addTypeName(to: &names, as: $0, in: $2) }
        return names
    }

    private static func forEachDataset(
        in path: String, _ body: (String, HDF5Dataset, HDF5Storage) throws -> Void
    ) throws {
        let storage = try HDF5Storage(path: path)
        let superblock = try HDF5Superblock(of: storage)
        storage.capacities = superblock.capacities
        var walk = HDF5Walk(storage: storage)
        try walk.visit(rootAt: superblock.root, body)
    }
}

extension HDF5Dataset {
    /// Throws: `FormatError` if the name is there already: names that differ in their bytes may be the same text.
    fileprivate func addTypeName(to names: inout [String: String], as name: String, in storage: HDF5Storage) throws {
        guard names.updateValue(type.number.rawValue, forKey: name) == nil else {
            throw storage.error("expected a name of its own, found it again", at: address)
        }
    }
}

/// A walk through the groups of a file.
private struct HDF5Walk {
    typealias Body = (String, HDF5Dataset, HDF5Storage) throws -> Void

    /// What a link leads to. Its header is not kept: groups within each other would keep theirs all at one time.
    private enum Object {
        case group([HDF5Link])
        case dataset(HDF5Dataset)
    }

    private let storage: HDF5Storage
    private var groups: HDF5GroupReader
    private var seen: Set<Int> = []

    init(storage: HDF5Storage) {
        self.storage = storage
        groups = HDF5GroupReader(storage: storage)
    }

    /// Calls `body` with all datasets of the root group and of those within it.
    mutating func visit(rootAt address: Int, _ body: Body) throws {
        try visit(try rootLinks(at: address), depth: 1, body)
    }

    private mutating func visit(_ links: [HDF5Link], depth: Int, _ body: Body) throws {
        for link in links {
            switch try object(link, depth: depth) {
            case .group(let links): try visit(links, depth: depth + 1, body)
            case .dataset(let dataset): try naming(link) { try body(link.path, dataset, storage) }
            }
        }
    }

    private mutating func rootLinks(at address: Int) throws -> [HDF5Link] {
        let root = try HDF5ObjectHeader(at: address, of: storage)
        guard root.isGroup else {
            throw storage.error("expected a group as the root, found another object", at: address)
        }
        return try links(of: root, prefix: "", depth: 0)
    }

    private mutating func object(_ link: HDF5Link, depth: Int) throws -> Object {
        let header = try HDF5ObjectHeader(at: link.address, of: storage)
        if header.isGroup { return .group(try links(of: header, prefix: link.path + "/", depth: depth)) }
        return .dataset(try naming(link) { try HDF5Dataset(header, of: storage) })
    }

    private mutating func links(of group: HDF5ObjectHeader, prefix: String, depth: Int) throws -> [HDF5Link] {
        guard seen.insert(group.address).inserted else {
            throw storage.error("expected each group once, found '\(prefix)' again", at: group.address)
        }
        guard depth <= HDF5Limits.groupDepth else {
            throw storage.error(
                "expected at most \(HDF5Limits.groupDepth) groups within each other, found more", at: group.address)
        }
        return try groups.links(of: group, prefix: prefix)
    }

    /// Adds the name to errors about a dataset, beside the place.
    private func naming<Result>(_ link: HDF5Link, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as FormatError {
            throw FormatError(
                file: error.file, offset: error.offset, reason: "dataset '\(link.path)': \(error.reason)")
        }
    }
}
