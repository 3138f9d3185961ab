import TapestryCore
import TapestryFormats
import TapestryTestSupport

/// Pickles put together by hand.
enum PickleBytes {
    static func text(_ text: String) -> [UInt8] { Array("X".utf8) + littleEndian(text.utf8.count, 4) + text.utf8 }

    /// As a 64-bit integer, whatever its size.
    static func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + littleEndian(value, 8) }

    static func tuple(_ values: [Int]) -> [UInt8] { Array("(".utf8) + values.flatMap(integer) + "t".utf8 }

    static func dictionary(_ pairs: [(String, [UInt8])]) -> [UInt8] {
        Array("}(".utf8) + pairs.flatMap { text($0.0) + $0.1 } + "u".utf8
    }

    static func littleEndian(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func storage(_ key: String = "k", type: String = "FloatStorage", count: Int = 4) -> [UInt8] {
        Array("(".utf8) + text("storage") + "ctorch\n\(type)\n".utf8 + text(key) + text("cuda:0") + integer(count)
            + "tQ".utf8
    }

    static func tensor(
        _ storage: [UInt8] = storage(), offset: Int = 0, sizes: [Int] = [2, 2], strides: [Int] = [2, 1]
    ) -> [UInt8] {
        Array("ctorch._utils\n_rebuild_tensor\n(".utf8) + storage + integer(offset) + tuple(sizes) + tuple(strides)
            + "tR".utf8
    }

    /// A network module of the class with those members, each a dictionary.
    static func module(
        _ name: String = "models.net\nNet", parameters: [UInt8] = [0x7D], buffers: [UInt8] = [0x7D],
        modules: [UInt8] = [0x7D]
    ) -> [UInt8] {
        Array("c\(name)\n)".utf8) + [0x81]
            + dictionary([("_parameters", parameters), ("_buffers", buffers), ("_modules", modules)]) + "b".utf8
    }
}

/// PyTorch's legacy format, whole or wrong in one place.
struct LegacyFile {
    var magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
    var version: [UInt8] = [0x80, 2, 0x4D, 0xE9, 3, 0x2E]
    var machine = [0x80, 2] + PickleBytes.dictionary([("little_endian", [0x88])]) + Array(".".utf8)
    /// Its protocol and its end are added.
    var value: [UInt8]
    var keys = ["k"]
    /// The number that stands before each storage's bytes, and these.
    var storages: [(count: Int, bytes: [UInt8])] = [(4, [UInt8](repeating: 0, count: 16))]
    var end: [UInt8] = []

    var bytes: [UInt8] {
        let list = Array("](".utf8) + keys.flatMap(PickleBytes.text) + "e.".utf8
        let head = magic + version + machine + [0x80, 2] + value + Array(".".utf8) + list
        return head + storages.flatMap { PickleBytes.littleEndian($0.count, 8) + $0.bytes } + end
    }

    /// Where the pickled value's first opcode stands after that of the protocol.
    var valueOffset: Int { magic.count + version.count + machine.count + 2 }
}

/// Zip files put together by hand, whole or wrong in one place.
struct ZipFile {
    struct Entry {
        var name: String
        var bytes: [UInt8]
        var flags = 0
        var method = 0
        var checksum: Int?
        /// What the directory says, if not the truth.
        var listedSize: Int?
        var listedOffset: Int?
        var listedName: String?
        /// What the entry's own header says, if not the truth.
        var ownSize: Int?
        var ownChecksum: Int?

        var header: [UInt8] {
            let size = ownSize ?? bytes.count
            let checksum = ownChecksum ?? checksum ?? Int(ZipFile.checksum(bytes))
            var header: [UInt8] = [0x50, 0x4B, 3, 4, 20, 0]
            for (number, count) in [(flags, 2), (method, 2), (0, 4), (checksum, 4), (size, 4), (size, 4)] {
                header += PickleBytes.littleEndian(number, count)
            }
            return header + PickleBytes.littleEndian(name.utf8.count, 2) + [0, 0] + name.utf8
        }

        func listing(offset: Int) -> [UInt8] {
            let size = listedSize ?? bytes.count
            let name = Array((listedName ?? name).utf8)
            var listing: [UInt8] = [0x50, 0x4B, 1, 2, 20, 0, 20, 0]
            for (number, count) in [
                (flags, 2), (method, 2), (0, 4), (checksum ?? Int(ZipFile.checksum(bytes)), 4), (size, 4), (size, 4),
                (name.count, 2), (0, 8), (0, 4), (listedOffset ?? offset, 4),
            ] {
                listing += PickleBytes.littleEndian(number, count)
            }
            return listing + name
        }
    }

    var entries: [Entry]
    var listedCount: Int?
    var directoryShift = 0
    var comment: [UInt8] = []

    /// A checkpoint of one tensor of four numbers.
    static func checkpoint(
        value: [UInt8] = PickleBytes.dictionary([("w", PickleBytes.tensor())]),
        storage: [UInt8] = [UInt8](repeating: 0, count: 16)
    ) -> ZipFile {
        ZipFile(entries: [
            Entry(name: "a/data.pkl", bytes: [0x80, 2] + value + Array(".".utf8)),
            Entry(name: "a/byteorder", bytes: Array("little".utf8)), Entry(name: "a/data/k", bytes: storage),
            Entry(name: "a/version", bytes: Array("3\n".utf8)),
        ])
    }

    var bytes: [UInt8] {
        var file: [UInt8] = []
        var directory: [UInt8] = []
        for entry in entries {
            let offset = file.count
            file += entry.header + entry.bytes
            directory += entry.listing(offset: offset)
        }
        var end: [UInt8] = [0x50, 0x4B, 5, 6, 0, 0, 0, 0]
        for _ in 0..<2 { end += PickleBytes.littleEndian(listedCount ?? entries.count, 2) }
        for number in [directory.count, file.count + directoryShift] { end += PickleBytes.littleEndian(number, 4) }
        return file + directory + end + PickleBytes.littleEndian(comment.count, 2) + comment
    }

    /// The zip format's checksum, bit by bit.
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? (sum >> 1) ^ 0xEDB8_8320 : sum >> 1 }
        }
        return ~sum
    }
}

/// A tensor of a fixture as the script that wrote it describes it.
struct HeldTensor: Decodable {
    let name: String
    let type: String
    let shape: [Int]
    let values: [Double]

    static func all(_ part: String) throws -> [HeldTensor] {
        try Fixtures.json("pytorch/holdings.json", as: [String: [HeldTensor]].self)[part] ?? []
    }
}

extension StoredTensor {
    /// The elements as numbers.
    var numbers: [Double] {
        switch self {
        case .float32(let tensor): tensor.elements.map(Double.init)
        case .int64(let tensor): tensor.elements.map(Double.init)
        case .int32(let tensor): tensor.elements.map(Double.init)
        case .int16(let tensor): tensor.elements.map(Double.init)
        case .int8(let tensor): tensor.elements.map(Double.init)
        case .uint8(let tensor): tensor.elements.map(Double.init)
        case .bool(let tensor): tensor.elements.map { $0 ? 1 : 0 }
        }
    }
}
