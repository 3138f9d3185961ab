/// An HDF5 file's bytes, every piece checked to lie within the file before anything is allocated for it, and the
/// account of what reading the file may cost: hostile files name the same bytes many times over.
final class HDF5Storage {
    private let file: InputFile
    /// What the superblock says of the trees' nodes.
    var capacities = HDF5Superblock.NodeCapacities()
    /// Bytes that may still be kept: tensors, links and what is known of nodes.
    private var keptAllowance: Int
    /// Bytes of structures, and apart from them of chunks, that may still be read: each a bound on time.
    private var metadataAllowance: Int
    private var chunkAllowance: Int

    /// What is added to twice the file's size. Beside what is kept, reading needs memory only for what `HDF5Limits`
    /// bounds, one object header and the nodes above one leaf, so that both together stay within twice the file and
    /// 64 MB.
    private static let keptSlack = 32 << 20
    private static let metadataSlack = 16 << 20
    private static let chunkSlack = 64 << 20

    init(path: String) throws {
        file = try InputFile(path: path)
        let (twice, overflow) = file.size.multipliedReportingOverflow(by: 2)
        let bounded = overflow ? Int.max / 2 : min(twice, Int.max / 2)
        keptAllowance = bounded + Self.keptSlack
        metadataAllowance = bounded + Self.metadataSlack
        chunkAllowance = bounded + Self.chunkSlack
    }

    var path: String { file.path }
    var size: Int { file.size }

    func error(_ reason: String, at offset: Int? = nil) -> FormatError {
        FormatError(file: path, offset: offset, reason: reason)
    }

    /// Checks that `count` bytes from `address` on are within the file.
    func expect(_ count: Int, at address: Int, for purpose: String) throws {
        guard address >= 0, count >= 0, address <= size, count <= size - address else {
            throw error(
                "expected \(count) bytes of \(purpose) within the file's \(size) bytes, found an end outside",
                at: address)
        }
    }

    /// A reader of the `count` bytes of structure at `address`.
    func reader(at address: Int, count: Int, for purpose: String) throws -> ByteReader {
        try expect(count, at: address, for: purpose)
        try Self.charge(count, to: &metadataAllowance) {
            error("expected structures of a size in proportion to the file's \(size) bytes, found more", at: address)
        }
        return ByteReader(file: path, bytes: try file.bytes(at: address, count: count), base: address)
    }

    /// Fills `buffer` with values. Precondition: the caller has checked their place with `expect`.
    func read(into buffer: UnsafeMutableRawBufferPointer, at address: Int) throws {
        try file.read(into: buffer, at: address)
    }

    /// What is kept for each of them beside its bytes, while the lists that hold it grow.
    private enum Cost {
        /// The shape has up to 32 dimensions.
        static let tensor = 640
        static let link = 160
        static let node = 48
    }

    /// Accounts for a tensor of `count` bytes in memory, before it is made.
    func chargeTensor(_ count: Int, at address: Int) throws {
        try chargeKept(Cost.tensor, at: address)
        try chargeKept(count, at: address)
    }

    /// Accounts for a link, before it is kept; `count` are the bytes of its path.
    func chargeLink(_ count: Int, at address: Int) throws { try chargeKept(Cost.link + count, at: address) }

    /// Accounts for a tree's node, before it is remembered as seen.
    func chargeNode(at address: Int) throws { try chargeKept(Cost.node, at: address) }

    private func chargeKept(_ count: Int, at address: Int) throws {
        try Self.charge(count, to: &keptAllowance) {
            error(
                "expected tensors of at most twice the file's \(size) bytes and 32 MB in all, with their names, "
                    + "found more", at: address)
        }
    }

    /// Accounts for a chunk of `count` bytes, before it is read or decompressed.
    func chargeChunk(_ count: Int, at address: Int) throws {
        try Self.charge(count, to: &chunkAllowance) {
            error("expected chunks of at most twice the file's \(size) bytes and 64 MB, found more", at: address)
        }
    }

    private static func charge(_ count: Int, to allowance: inout Int, _ failure: () -> FormatError) throws {
        guard count <= allowance else { throw failure() }
        allowance -= count
    }
}

/// Bounds that no file of weights reaches, on what the format would let grow without end.
enum HDF5Limits {
    /// Links to groups and datasets in the whole file, and the bytes of their names in all.
    static let linkCount = 100_000
    static let nameBytes = 8 << 20
    /// One link's name.
    static let nameLength = 4096
    /// The names of one group (a local heap's data).
    static let heapBytes = 8 << 20
    /// Groups within groups.
    static let groupDepth = 32
    /// All blocks of one object header, and the messages in them.
    static let headerBytes = 4 << 20
    static let messageCount = 1 << 15
    /// A node of a B-tree, and the levels above its leaves.
    static let nodeBytes = 256 << 10
    static let treeLevel = 31
    /// Dimensions of a dataset: the format's own limit.
    static let rank = 32
}

extension ByteReader {
    /// Checks and steps over a signature of four letters.
    mutating func expectSignature(_ signature: String, of structure: String) throws {
        let start = offset
        let found = bytes[try take(4, for: "the signature '\(signature)'")]
        guard found.elementsEqual(signature.utf8) else {
            throw error("expected \(structure) with the signature '\(signature)', found another", at: start)
        }
    }

    /// Checks and steps over a byte that can have one value only, a version.
    mutating func expectByte(_ value: UInt8, as purpose: String) throws {
        let start = offset
        let found = try byte(for: purpose)
        guard found == value else { throw error("expected \(purpose) \(value), found \(found)", at: start) }
    }

    /// A length, count or address of `width` bytes, little-endian.
    mutating func integer(_ width: Int, for purpose: String) throws -> Int {
        let start = offset
        let value = try littleEndian(width, for: purpose)
        guard let integer = Int(exactly: value) else {
            throw error("expected \(purpose) below 2^63, found \(value)", at: start)
        }
        return integer
    }

    /// An address, nil for the one that stands for none: all bits set.
    mutating func optionalAddress(of purpose: String) throws -> Int? {
        let start = offset
        let value = try littleEndian(8, for: "the address of \(purpose)")
        if value == .max { return nil }
        guard let address = Int(exactly: value) else {
            throw error("expected an address of \(purpose) below 2^63, found \(value)", at: start)
        }
        return address
    }

    mutating func address(of purpose: String) throws -> Int {
        let start = offset
        guard let address = try optionalAddress(of: purpose) else {
            throw error("expected an address of \(purpose), found none", at: start)
        }
        return address
    }
}
