import TapestryFormats

/// Files of the newer version put together by hand: superblock 2, a root group with one link, a dataset 'w'. Checksums
/// are right, so that what is wrong is what a test made so.
struct HDF5Assembly {
    /// Number, flags and body of the dataset's messages.
    var messages: [(kind: UInt8, flags: UInt8, body: [UInt8])]
    /// What follows the dataset's object header.
    var data: [UInt8]
    /// More messages of the root group.
    var rootMessages: [(kind: UInt8, flags: UInt8, body: [UInt8])] = []

    static let noAddress = [UInt8](repeating: 0xFF, count: 8)
    static let float32: [UInt8] = [0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0]
    static let twoElements: [UInt8] = [2, 1, 0, 1] + word(2)
    /// Where the dataset's object header is, and in it the first message.
    static let dataset = 98
    static let firstMessage = dataset + 8

    /// A dataset of two 32-bit floating-point numbers, contiguous.
    init() {
        messages = [(1, 0, Self.twoElements), (3, 0, Self.float32), (8, 0, [])]
        data = [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]
        messages[2].body = [3, 1] + Self.word(UInt64(Self.firstMessage + 16 + 24 + 22 + 4)) + Self.word(8)
    }

    static func word(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian, Array.init) }

    static func checked(_ bytes: [UInt8]) -> [UInt8] {
        bytes + withUnsafeBytes(of: Lookup3.hash(bytes[...]).littleEndian, Array.init)
    }

    static func header(_ messages: [(kind: UInt8, flags: UInt8, body: [UInt8])]) -> [UInt8] {
        let bytes = messages.flatMap { [$0.kind] + word(UInt64($0.body.count)).prefix(2) + [$0.flags] + $0.body }
        return checked(Array("OHDR".utf8) + [2, 1] + word(UInt64(bytes.count)).prefix(2) + bytes)
    }

    static func link(_ name: String, to address: Int) -> [UInt8] {
        [1, 0, UInt8(name.utf8.count)] + name.utf8 + word(UInt64(address))
    }

    static func superblock(end: Int, extension more: Int? = nil) -> [UInt8] {
        checked(
            [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A, 2, 8, 8, 0] + word(0)
                + (more.map { word(UInt64($0)) } ?? noAddress) + word(UInt64(end)) + word(48))
    }

    static let linkInfo = [0, 0] + noAddress + noAddress

    var bytes: [UInt8] {
        func root(_ dataset: Int) -> [UInt8] {
            Self.header([(2, 0, Self.linkInfo), (6, 0, Self.link("w", to: dataset))] + rootMessages)
        }
        let dataset = 48 + root(0).count
        let body = root(dataset) + Self.header(messages) + data
        return Self.superblock(end: 48 + body.count) + body
    }
}
