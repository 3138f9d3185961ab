/// What a file begins with: where its root group is, and the sizes of the nodes of its trees.
///
/// Source: HDF5 File Format Specification, section II.A, versions 0 to 3.
struct HDF5Superblock {
    /// The most entries of each kind of node, which the format calls 2K.
    struct NodeCapacities {
        var symbols = 8
        var groupChildren = 32
        var chunks = 64
    }

    /// The address of the root group's object header.
    let root: Int
    let capacities: NodeCapacities

    static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]

    init(of storage: HDF5Storage) throws {
        // The largest of them has 100 bytes.
        var reader = try storage.reader(at: 0, count: min(100, storage.size), for: "the superblock")
        guard reader.bytes[try reader.take(8, for: "the HDF5 signature")].elementsEqual(Self.signature) else {
            throw reader.error("expected the HDF5 signature, found other bytes", at: 0)
        }
        let version = try reader.byte(for: "the superblock's version")
        switch version {
        case 0, 1: (root, capacities) = try Self.parseOld(&reader, version, storage)
        case 2, 3: (root, capacities) = try Self.parseNew(&reader, storage)
        default: throw reader.error("expected a superblock of version 0 to 3, found \(version)", at: 8)
        }
    }

    /// Versions 0 and 1, from the byte after the version on.
    private static func parseOld(
        _ reader: inout ByteReader, _ version: UInt8, _ storage: HDF5Storage
    ) throws -> (root: Int, capacities: NodeCapacities) {
        var capacities = NodeCapacities()
        try reader.expectByte(0, as: "a free-space version of")
        try reader.expectByte(0, as: "a root group version of")
        _ = try reader.byte(for: "the superblock")
        try reader.expectByte(0, as: "a shared message version of")
        try expectSizes(&reader)
        _ = try reader.byte(for: "the superblock")
        capacities.symbols = try capacity(&reader)
        capacities.groupChildren = try capacity(&reader)
        _ = try reader.take(4, for: "the consistency flags")
        if version == 1 {
            capacities.chunks = try capacity(&reader)
            _ = try reader.take(2, for: "the superblock")
        }
        try expectBase(&reader)
        _ = try reader.optionalAddress(of: "the free space")
        try expectEnd(&reader, storage)
        let place = reader.offset
        guard try reader.optionalAddress(of: "the driver information") == nil else {
            throw reader.error("expected one file, found one of several (driver information)", at: place)
        }
        _ = try reader.take(8, for: "the root group's name")
        let root = try reader.address(of: "the root group")
        _ = try reader.take(24, for: "the root group's entry")
        return (root, capacities)
    }

    /// Versions 2 and 3, from the byte after the version on.
    private static func parseNew(
        _ reader: inout ByteReader, _ storage: HDF5Storage
    ) throws -> (root: Int, capacities: NodeCapacities) {
        try expectSizes(&reader)
        let flags = try reader.byte(for: "the consistency flags")
        guard flags == 0 else {
            throw reader.error("expected a file that its writer closed, found consistency flags \(flags)", at: 11)
        }
        try expectBase(&reader)
        let more = try reader.optionalAddress(of: "the superblock's extension")
        try expectEnd(&reader, storage)
        let root = try reader.address(of: "the root group")
        try reader.expectChecksum(at: reader.offset)
        guard let more else { return (root, NodeCapacities()) }
        return (root, try parseExtension(HDF5ObjectHeader(at: more, of: storage)))
    }

    /// An object header with what version 2 has no fields for.
    private static func parseExtension(_ header: HDF5ObjectHeader) throws -> NodeCapacities {
        for message in header.messages where message.kind == .driver || message.kind == .sharedMessages {
            throw message.body.error(
                "expected one file that shares no messages, found a \(message.kind) message", at: 0)
        }
        var capacities = NodeCapacities()
        if var message = try header.only(.nodeCapacities) {
            try message.expectByte(0, as: "a message of capacities of version")
            capacities.chunks = try capacity(&message)
            capacities.groupChildren = try capacity(&message)
            capacities.symbols = try capacity(&message)
        }
        return capacities
    }

    private static func expectSizes(_ reader: inout ByteReader) throws {
        try reader.expectByte(8, as: "a size of addresses of")
        try reader.expectByte(8, as: "a size of lengths of")
    }

    private static func expectBase(_ reader: inout ByteReader) throws {
        let place = reader.offset
        let base = try reader.integer(8, for: "the base address")
        guard base == 0 else { throw reader.error("expected the base address 0, found \(base)", at: place) }
    }

    private static func expectEnd(_ reader: inout ByteReader, _ storage: HDF5Storage) throws {
        let place = reader.offset
        let end = try reader.address(of: "the file's end")
        guard end <= storage.size else {
            throw reader.error("expected a file of \(end) bytes, found \(storage.size)", at: place)
        }
    }

    private static func capacity(_ reader: inout ByteReader) throws -> Int {
        let place = reader.offset
        let half = try reader.integer(2, for: "half a node's capacity")
        guard half > 0 else { throw reader.error("expected half a node's capacity of at least 1, found 0", at: place) }
        return 2 * half
    }
}

extension ByteReader {
    /// Compares the checksum at `place` with that of all bytes before it.
    func expectChecksum(at place: Int) throws {
        guard place >= 0, place <= bytes.count - 4 else {
            throw error("expected 4 bytes of checksum, found \(bytes.count - place)", at: place)
        }
        let expected = Lookup3.hash(bytes[..<place])
        let found = bytes[place..<place + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        guard found == expected else { throw error("expected the checksum \(expected), found \(found)", at: place) }
    }
}
