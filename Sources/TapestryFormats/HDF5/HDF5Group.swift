/// A place in a group, and the object header that it leads to.
struct HDF5Link {
    /// With those of the groups that it is in.
    let path: String
    let address: Int
}

/// Lists the groups of a file: old ones, whose links are in symbol tables, and new ones with links in their header.
///
/// Source: HDF5 File Format Specification, sections III.A.1 to III.D, and IV.A.2.c, g and r (messages).
struct HDF5GroupReader {
    let storage: HDF5Storage
    private var nodes: Set<Int> = []
    private var linksLeft = HDF5Limits.linkCount
    private var nameBytesLeft = HDF5Limits.nameBytes

    init(storage: HDF5Storage) { self.storage = storage }

    /// The links of a group in the order of the file (names ascending, in an old group). `prefix` is what stands before
    /// their names in a path.
    ///
    /// Throws: `FormatError`, also for links that are not hard ones, and those of a group too large for its header.
    mutating func links(of header: HDF5ObjectHeader, prefix: String) throws -> [HDF5Link] {
        if var table = try header.only(.symbolTable) { return try symbols(&table, prefix) }
        if var info = try header.only(.linkInfo) { try Self.expectCompact(&info) }
        return try linkMessages(header, prefix)
    }

    private static func expectCompact(_ info: inout ByteReader) throws {
        try info.expectByte(0, as: "link information of version")
        let flags = try info.byte(for: "link information")
        if flags & 1 != 0 { _ = try info.take(8, for: "link information") }
        let place = info.offset
        guard try info.optionalAddress(of: "links outside the header") == nil else {
            throw info.error(
                "expected links in symbol tables or in the header, found many in a fractal heap, "
                    + "which is not read (written with libver='latest' or track_order)", at: place)
        }
    }

    /// Accounts for one more link, before its path is kept.
    private mutating func count(_ name: String, _ prefix: String, at offset: Int) throws {
        linksLeft -= 1
        nameBytesLeft -= name.utf8.count + prefix.utf8.count
        guard linksLeft >= 0, nameBytesLeft >= 0 else {
            throw storage.error(
                "expected at most \(HDF5Limits.linkCount) links with \(HDF5Limits.nameBytes) bytes of names, found more",
                at: offset)
        }
        try storage.chargeLink(name.utf8.count + prefix.utf8.count, at: offset)
    }
}

// MARK: - Symbol tables

extension HDF5GroupReader {
    /// What has been found in a group so far.
    private struct Listing {
        let prefix: String
        let names: ByteReader
        var last = ""
        var links: [HDF5Link] = []
    }

    private mutating func symbols(_ table: inout ByteReader, _ prefix: String) throws -> [HDF5Link] {
        let root = try table.address(of: "a group's tree")
        var listing = Listing(prefix: prefix, names: try localHeap(at: try table.address(of: "a group's names")))
        try visit(root, parentLevel: nil, &listing)
        return listing.links
    }

    private mutating func visit(_ address: Int, parentLevel: Int?, _ listing: inout Listing) throws {
        try expectNew(address)
        var node = try HDF5TreeNode(
            at: address, of: storage, kind: 0, keySize: 8, capacity: storage.capacities.groupChildren,
            parentLevel: parentLevel)
        for _ in 0..<node.count {
            _ = try node.entries.take(8, for: "a key")
            let child = try node.entries.address(of: "a node's child")
            if node.level > 0 {
                try visit(child, parentLevel: node.level, &listing)
            } else {
                try addSymbols(of: child, to: &listing)
            }
        }
    }

    private mutating func expectNew(_ address: Int) throws {
        try storage.chargeNode(at: address)
        guard nodes.insert(address).inserted else {
            throw storage.error("expected each node of a tree once, found one again", at: address)
        }
    }

    private mutating func addSymbols(of address: Int, to listing: inout Listing) throws {
        try expectNew(address)
        var prefix = try storage.reader(at: address, count: 8, for: "a symbol table node")
        try prefix.expectSignature("SNOD", of: "a symbol table node")
        try prefix.expectByte(1, as: "a symbol table node of version")
        _ = try prefix.byte(for: "a symbol table node")
        let count = try prefix.integer(2, for: "a number of symbols")
        guard count <= storage.capacities.symbols else {
            throw prefix.error("expected at most \(storage.capacities.symbols) symbols, found \(count)", at: 6)
        }
        var reader = try storage.reader(at: address + 8, count: 40 * count, for: "symbols")
        for _ in 0..<count {
            let start = reader.offset
            let name = try listing.names.name(at: try reader.integer(8, for: "a name's place"))
            let target = try reader.optionalAddress(of: "an object header")
            let kind = try reader.littleEndian(4, for: "a symbol's kind")
            _ = try reader.take(20, for: "a symbol")
            guard kind <= 1, let target else {
                throw reader.error("expected '\(name)' to be a group or a dataset, found a soft link", at: start)
            }
            // No name is empty, so the first one passes.
            guard listing.last.utf8.lexicographicallyPrecedes(name.utf8) else {
                throw reader.error(
                    "expected names in ascending order, found '\(name)' after '\(listing.last)'", at: start)
            }
            try self.count(name, listing.prefix, at: address)
            listing.last = name
            listing.links.append(HDF5Link(path: listing.prefix + name, address: target))
        }
    }

    /// A reader of the names of an old group.
    private func localHeap(at address: Int) throws -> ByteReader {
        var prefix = try storage.reader(at: address, count: 32, for: "a local heap")
        try prefix.expectSignature("HEAP", of: "a local heap")
        try prefix.expectByte(0, as: "a local heap of version")
        _ = try prefix.take(3, for: "a local heap")
        let size = try prefix.integer(8, for: "a local heap's size")
        guard size <= HDF5Limits.heapBytes else {
            throw prefix.error("expected at most \(HDF5Limits.heapBytes) bytes of names, found \(size)", at: 8)
        }
        _ = try prefix.take(8, for: "a local heap's free space")
        return try storage.reader(at: try prefix.address(of: "a group's names"), count: size, for: "a group's names")
    }
}

// MARK: - Links in object headers

extension HDF5GroupReader {
    private mutating func linkMessages(_ header: HDF5ObjectHeader, _ prefix: String) throws -> [HDF5Link] {
        var links: [HDF5Link] = []
        var names: Set<String> = []
        for message in header.messages where message.kind == .link {
            let (name, address) = try Self.link(message.body)
            guard names.insert(name).inserted else {
                throw message.body.error("expected distinct names, found '\(name)' twice", at: 0)
            }
            try count(name, prefix, at: message.body.place(of: 0))
            links.append(HDF5Link(path: prefix + name, address: address))
        }
        return links
    }

    private static func link(_ message: ByteReader) throws -> (name: String, address: Int) {
        var reader = message
        try reader.expectByte(1, as: "a link of version")
        let flags = try reader.byte(for: "a link's flags")
        let kind = flags & 8 != 0 ? try reader.byte(for: "a link's kind") : 0
        if flags & 4 != 0 { _ = try reader.take(8, for: "a link's place in the order") }
        if flags & 16 != 0 { _ = try reader.take(1, for: "a name's encoding") }
        let place = reader.offset
        let length = try reader.integer(1 << Int(flags & 3), for: "a name's length")
        guard length <= HDF5Limits.nameLength else {
            throw reader.error("expected a name of at most \(HDF5Limits.nameLength) bytes, found \(length)", at: place)
        }
        let range = try reader.take(length, for: "a name")
        let name = try reader.name(in: range)
        guard kind == 0 else {
            let found = kind == 1 ? "a soft link" : "an external link"
            throw reader.error("expected '\(name)' to be a group or a dataset, found \(found)", at: 0)
        }
        return (name, try reader.address(of: "an object header"))
    }
}

extension ByteReader {
    /// The name that ends with a zero byte, in a local heap.
    fileprivate func name(at offset: Int) throws -> String {
        guard offset < bytes.count else {
            throw error("expected a name within \(bytes.count) bytes of names, found its place at \(offset)", at: 0)
        }
        let candidates = bytes[offset...].prefix(HDF5Limits.nameLength + 1)
        guard let end = candidates.firstIndex(of: 0) else {
            throw error("expected a name of at most \(HDF5Limits.nameLength) bytes and its end, found none", at: offset)
        }
        return try name(in: offset..<end)
    }

    fileprivate func name(in range: Range<Int>) throws -> String {
        guard let name = String(validating: bytes[range], as: UTF8.self), HDF5Link.isName(name) else {
            throw error("expected a name in UTF-8, not empty, without '/', found another", at: range.lowerBound)
        }
        return name
    }
}

extension HDF5Link {
    /// Whether a link can have that name.
    static func isName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name.utf8.count <= HDF5Limits.nameLength
            && !name.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "/") }
    }
}
