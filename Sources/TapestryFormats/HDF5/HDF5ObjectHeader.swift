/// What says everything about a group or a dataset: a list of messages, in one block or several.
///
/// Source: HDF5 File Format Specification, section IV.A.1, versions 1 and 2.
struct HDF5ObjectHeader {
    /// The messages that mean something to a reader of tensors; others (attributes, times …) are passed by. The last two
    /// and that of shared messages are found in a superblock's extension only.
    enum Kind: UInt16 {
        case dataspace = 0x01
        case linkInfo = 0x02
        case datatype = 0x03
        case link = 0x06
        case externalFiles = 0x07
        case layout = 0x08
        case filters = 0x0B
        case sharedMessages = 0x0F
        case continuation = 0x10
        case symbolTable = 0x11
        case nodeCapacities = 0x13
        case driver = 0x14

        /// The first number that version 3 of the specification leaves free.
        static let firstUnknown = 0x18
    }

    struct Message {
        let kind: Kind
        let body: ByteReader
    }

    let address: Int
    let messages: [Message]

    /// Throws: `FormatError`.
    init(at address: Int, of storage: HDF5Storage) throws {
        var parser = HDF5ObjectHeaderParser(address: address, storage: storage)
        try parser.parse()
        self.address = address
        messages = parser.messages
    }

    /// Whether the object is a group, old or new.
    var isGroup: Bool { messages.contains { $0.kind == .symbolTable || $0.kind == .linkInfo } }

    /// The only message of that kind, nil if there is none.
    func only(_ kind: Kind) throws -> ByteReader? {
        let found = messages.filter { $0.kind == kind }
        guard found.count <= 1 else { throw found[1].body.error("expected one \(kind) message, found another", at: 0) }
        return found.first?.body
    }
}

private struct HDF5ObjectHeaderParser {
    let address: Int
    let storage: HDF5Storage
    var messages: [HDF5ObjectHeader.Message] = []

    /// Of every kind, those passed by included.
    private var messageCount = 0
    private var continuations: [(address: Int, count: Int)] = []
    private var allowance = HDF5Limits.headerBytes

    init(address: Int, storage: HDF5Storage) {
        self.address = address
        self.storage = storage
    }

    mutating func parse() throws {
        let start = try storage.reader(at: address, count: 4, for: "an object header")
        if start.bytes.elementsEqual("OHDR".utf8) {
            try parseNew()
        } else if start.bytes[0] == 1 {
            try parseOld()
        } else {
            throw start.error("expected an object header of version 1 or 2, found neither", at: 0)
        }
    }

    private mutating func parseOld() throws {
        var prefix = try storage.reader(at: address, count: 16, for: "an object header")
        _ = try prefix.take(2, for: "the version")
        let expected = try prefix.integer(2, for: "the number of messages")
        _ = try prefix.take(4, for: "the number of references")
        let size = try prefix.integer(4, for: "the header's size")
        var block = try block(at: address + 16, count: size)
        try addOldMessages(of: &block)
        try followContinuations { parser, block in try parser.addOldMessages(of: &block) }
        guard messageCount == expected else {
            throw storage.error("expected \(expected) messages, found \(messageCount)", at: address)
        }
    }

    private mutating func parseNew() throws {
        // The part before the messages has at most 26 bytes; the size, which says how many follow, is its last field.
        var prefix = try storage.reader(at: address, count: min(26, storage.size - address), for: "an object header")
        let (flags, size) = try Self.newPrefix(&prefix)
        guard size <= HDF5Limits.headerBytes else {
            throw prefix.error("expected at most \(HDF5Limits.headerBytes) bytes of messages, found \(size)", at: 0)
        }
        var whole = try block(at: address, count: prefix.offset + size + 4)
        _ = try Self.newPrefix(&whole)
        let hasOrder = flags & 4 != 0
        try addNewMessages(of: &whole, hasOrder: hasOrder)
        try followContinuations { parser, block in
            try block.expectSignature("OCHK", of: "a part of an object header")
            try parser.addNewMessages(of: &block, hasOrder: hasOrder)
        }
    }

    private static func newPrefix(_ reader: inout ByteReader) throws -> (flags: UInt8, size: Int) {
        try reader.expectSignature("OHDR", of: "an object header")
        try reader.expectByte(2, as: "an object header of version")
        let flags = try reader.byte(for: "the header's flags")
        if flags & 0x20 != 0 { _ = try reader.take(16, for: "times") }
        if flags & 0x10 != 0 { _ = try reader.take(4, for: "limits of attributes") }
        return (flags, try reader.integer(1 << Int(flags & 3), for: "the header's size"))
    }

    private mutating func block(at address: Int, count: Int) throws -> ByteReader {
        guard count <= allowance else {
            throw storage.error(
                "expected an object header of at most \(HDF5Limits.headerBytes) bytes, found more", at: address)
        }
        allowance -= count
        return try storage.reader(at: address, count: count, for: "an object header")
    }

    private mutating func followContinuations(
        _ addMessages: (inout HDF5ObjectHeaderParser, inout ByteReader) throws -> Void
    ) throws {
        var seen: Set<Int> = [address]
        var index = 0
        while index < continuations.count {
            let next = continuations[index]
            index += 1
            guard seen.insert(next.address).inserted else {
                throw storage.error("expected each part of an object header once, found one again", at: next.address)
            }
            var block = try block(at: next.address, count: next.count)
            try addMessages(&self, &block)
        }
    }

    private mutating func addOldMessages(of block: inout ByteReader) throws {
        while block.remaining > 0 {
            let kind = try block.integer(2, for: "a message's kind")
            let size = try block.integer(2, for: "a message's size")
            let flags = try block.byte(for: "a message's flags")
            _ = try block.take(3, for: "a message's flags")
            try add(kind, flags, try block.part(size, for: "a message"))
        }
    }

    /// Messages up to the checksum, which is verified first; the space between, if too small for a message, is unused.
    private mutating func addNewMessages(of block: inout ByteReader, hasOrder: Bool) throws {
        try block.expectChecksum(at: block.bytes.count - 4)
        let headerSize = hasOrder ? 6 : 4
        while block.remaining - 4 >= headerSize {
            let kind = try block.integer(1, for: "a message's kind")
            let size = try block.integer(2, for: "a message's size")
            let flags = try block.byte(for: "a message's flags")
            if hasOrder { _ = try block.take(2, for: "a message's place in the order") }
            let body = try block.part(size, for: "a message")
            guard block.remaining >= 4 else { throw body.error("expected a message before the checksum", at: 0) }
            try add(kind, flags, body)
        }
    }

    private mutating func add(_ number: Int, _ flags: UInt8, _ body: ByteReader) throws {
        messageCount += 1
        guard messageCount <= HDF5Limits.messageCount else {
            throw body.error("expected at most \(HDF5Limits.messageCount) messages, found more", at: 0)
        }
        guard let kind = HDF5ObjectHeader.Kind(rawValue: UInt16(number)) else {
            guard number < HDF5ObjectHeader.Kind.firstUnknown || flags & 0x80 == 0 else {
                throw body.error(
                    "expected messages that can be passed by, found kind \(number), which its writer forbids to", at: 0)
            }
            return
        }
        guard flags & 2 == 0 else {
            throw body.error(
                "expected the \(kind) message here, found it shared with other objects, which is not read", at: 0)
        }
        if kind == .continuation {
            var reader = body
            let address = try reader.address(of: "more of an object header")
            continuations.append((address, try reader.integer(8, for: "the size of more of an object header")))
        } else {
            messages.append(HDF5ObjectHeader.Message(kind: kind, body: body))
        }
    }
}

extension ByteReader {
    /// A reader of the next `count` bytes alone, which are stepped over.
    mutating func part(_ count: Int, for purpose: String) throws -> ByteReader {
        let range = try take(count, for: purpose)
        return ByteReader(file: file, bytes: Array(bytes[range]), base: place(of: range.lowerBound))
    }
}
