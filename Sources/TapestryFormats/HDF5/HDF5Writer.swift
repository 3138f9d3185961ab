import TapestryCore

/// The plan of a file: everything but the values, and where those go.
///
/// Superblock, root group, names, symbol table nodes, tree, object headers, values: in this order, each at a multiple of
/// eight bytes, so that the same tensors always give the same bytes.
struct HDF5Writer {
    /// Up to where the values begin.
    private(set) var structure = HDF5Bytes()
    /// In the order of the file.
    let entries: [NamedTensor]

    /// The capacities that the superblock states, h5py's defaults.
    private let capacities = HDF5Superblock.NodeCapacities()

    /// The messages of the root group's texts.
    private let attributes: [HDF5Bytes]

    private static let superblockSize = 96
    private static let heapPrefixSize = 32
    /// The prefix, and the message of the symbol table with its own prefix.
    private var rootSize: Int { 16 + 24 + attributes.reduce(0) { $0 + 8 + $1.count } }

    /// Throws: `FormatError` for names that HDF5 cannot hold, or that are there twice, for more than 32 dimensions, and
    /// for texts that are too long.
    init(_ tensors: [NamedTensor], attributes: [String: String] = [:], path: String) throws {
        self.attributes = try attributes.sorted { $0.key < $1.key }.map { name, text in
            guard let message = HDF5Attribute.message(name: name, text: text) else {
                throw FormatError(
                    file: path,
                    reason: "expected attributes of at most \(HDF5Attribute.longest) bytes, found more in '\(name)'")
            }
            return message
        }
        entries = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        for (index, entry) in entries.enumerated() {
            guard HDF5Link.isName(entry.name) else {
                throw FormatError(
                    file: path,
                    reason: "expected names of tensors that HDF5 can hold (1 to \(HDF5Limits.nameLength) bytes, "
                        + "without '/'), found '\(entry.name)'")
            }
            guard index == 0 || entries[index - 1].name != entry.name else {
                throw FormatError(file: path, reason: "expected distinct names of tensors, found '\(entry.name)' twice")
            }
            guard entry.tensor.shape.rank <= HDF5Limits.rank else {
                throw FormatError(
                    file: path,
                    reason: "expected at most \(HDF5Limits.rank) dimensions, which HDF5 can hold, found "
                        + "\(entry.tensor.shape.rank) of '\(entry.name)'")
            }
        }
        plan()
    }

    private mutating func plan() {
        let heapStart = Self.superblockSize + rootSize
        var names = HDF5Bytes()
        // The empty name at offset 0 is the tree's lowest key.
        names.appendZeros(8)
        let nameOffsets = entries.map { entry in
            defer {
                names.append(entry.name.utf8)
                names.appendZeros(1)
                names.align()
            }
            return names.count
        }
        let tree = HDF5GroupTree(
            nameOffsets: nameOffsets, capacities: capacities, address: heapStart + Self.heapPrefixSize + names.count)
        let headers = entries.map { HDF5DatasetHeader($0.tensor) }
        var address = tree.address + tree.byteCount
        var headerAddresses: [Int] = []
        for header in headers {
            headerAddresses.append(address)
            address += header.byteCount
        }
        let valueStart = address
        var valueAddresses: [Int] = []
        for entry in entries {
            valueAddresses.append(address)
            address += entry.tensor.byteCount + HDF5Bytes.padding(after: entry.tensor.byteCount)
        }
        appendSuperblock(end: address, tree: tree.rootAddress, heap: heapStart)
        appendRoot(tree: tree.rootAddress, heap: heapStart)
        appendHeap(names, at: heapStart)
        tree.append(to: &structure, objects: headerAddresses)
        for (header, address) in zip(headers, valueAddresses) { header.append(to: &structure, values: address) }
        assert(structure.count == valueStart)
    }

    /// Version 0, with sizes of eight bytes.
    private mutating func appendSuperblock(end: Int, tree: Int, heap: Int) {
        structure.append(HDF5Superblock.signature)
        structure.append([0, 0, 0, 0, 0, 8, 8, 0])
        structure.append(capacities.symbols / 2, width: 2)
        structure.append(capacities.groupChildren / 2, width: 2)
        structure.appendZeros(4)
        structure.append(0, width: 8)
        structure.appendNoAddress()
        structure.append(end, width: 8)
        structure.appendNoAddress()
        // The root group's entry: no name, its object header, and that the rest is where its tree and names are.
        structure.append(0, width: 8)
        structure.append(Self.superblockSize, width: 8)
        structure.append(1, width: 8)
        structure.append(tree, width: 8)
        structure.append(heap, width: 8)
    }

    private mutating func appendRoot(tree: Int, heap: Int) {
        HDF5DatasetHeader.appendPrefix(to: &structure, messageCount: 1 + attributes.count, size: rootSize - 16)
        var table = HDF5Bytes()
        table.append(tree, width: 8)
        table.append(heap, width: 8)
        HDF5DatasetHeader.appendMessage(
            to: &structure, Int(HDF5ObjectHeader.Kind.symbolTable.rawValue), flags: 0, table)
        for attribute in attributes {
            HDF5DatasetHeader.appendMessage(to: &structure, HDF5Attribute.kind, flags: 0, attribute)
        }
    }

    private mutating func appendHeap(_ names: HDF5Bytes, at start: Int) {
        structure.append("HEAP".utf8)
        structure.appendZeros(4)
        structure.append(names.count, width: 8)
        // 1 stands for the end of the list of free space.
        structure.append(1, width: 8)
        structure.append(start + Self.heapPrefixSize, width: 8)
        structure.append(names.bytes)
    }
}

extension HDF5File {
    /// Writes the file whole or not at all (`AtomicFile`), in the form that h5py writes by default: superblock 0, all
    /// tensors in the root group, ordered by name. `attributes` become texts of that group, as h5py's `file.attrs` has
    /// them. The same contents always give the same bytes.
    ///
    /// Throws: `FormatError` if two names are the same, or one is empty, ".", over 4096 bytes long, or has a "/" or a
    /// zero byte; if a tensor has more than 32 dimensions; or if an attribute takes more than 60,000 bytes. `WriteError`.
    public func write(to path: String, attributes: [String: String] = [:]) throws {
        let writer = try HDF5Writer(tensors, attributes: attributes, path: path)
        try AtomicFile.write(to: path) { output in
            try writer.structure.bytes.withUnsafeBytes { try output.write($0) }
            for entry in writer.entries {
                try entry.tensor.withBytes { try output.write($0) }
                let padding = [UInt8](repeating: 0, count: HDF5Bytes.padding(after: entry.tensor.byteCount))
                try padding.withUnsafeBytes { try output.write($0) }
            }
        }
    }
}
