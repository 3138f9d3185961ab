/// The opcodes of pickle protocol 2 that a checkpoint is written with.
struct PickleWriter {
    private var writer = ByteWriter()

    var bytes: [UInt8] { writer.bytes }

    /// Announces the protocol.
    mutating func begin() {
        writer.append(UInt8(0x80))
        writer.append(UInt8(2))
    }

    /// Opcodes that are text as they stand.
    mutating func append(_ opcodes: String) { writer.append(opcodes) }

    mutating func append(text: String) {
        writer.append("X")
        writer.append(UInt32(text.utf8.count))
        writer.append(text)
    }

    mutating func append(boolean: Bool) { writer.append(UInt8(boolean ? 0x88 : 0x89)) }

    /// In the shortest of the forms that hold it.
    mutating func append(integer: Int) {
        if let byte = UInt8(exactly: integer) {
            writer.append("K")
            writer.append(byte)
        } else if let word = UInt16(exactly: integer) {
            writer.append("M")
            writer.append(word)
        } else if let word = Int32(exactly: integer) {
            writer.append("J")
            writer.append(word)
        } else {
            writer.append(UInt8(0x8A))
            writer.append(UInt8(8))
            writer.append(Int64(integer))
        }
    }

    mutating func append(tuple: [Int]) {
        writer.append("(")
        for element in tuple { append(integer: element) }
        writer.append("t")
    }
}
