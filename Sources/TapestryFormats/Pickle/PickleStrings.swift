/// Strings and bytes of a pickle, in each of the forms that python has written them in.
extension PickleValue {
    /// A string, or bytes that are UTF-8; nil for anything else.
    var text: String? {
        switch self {
        case .text(let text), .bytes(let text): return String(validating: text.bytes, as: UTF8.self)
        case .object:
            guard let encoded, let bytes = Self.latin1(encoded) else { return nil }
            return String(validating: bytes, as: UTF8.self)
        default: return nil
        }
    }

    /// As `text`; nil also for a string of more than `limit` bytes, which is not copied to find out.
    func text(limit: Int) -> String? {
        switch self {
        case .text(let text), .bytes(let text): text.bytes.count <= limit ? self.text : nil
        case .object: encoded.map { $0.count <= limit } == true ? self.text : nil
        default: nil
        }
    }

    /// Whether it is `other` as text. Precondition: `other` is ASCII.
    func isText(_ other: String) -> Bool {
        switch self {
        case .text(let text), .bytes(let text): text.bytes.elementsEqual(other.utf8)
        case .object: encoded?.elementsEqual(other.utf8) ?? false
        default: false
        }
    }

    /// Bytes; nil for anything else.
    ///
    /// Throws: `FormatError` if they take too much memory.
    func bytes(charging budget: MemoryBudget) throws -> ArraySlice<UInt8>? {
        if case .bytes(let bytes) = self { return bytes.bytes }
        guard let encoded else { return nil }
        try budget.charge(encoded.count)
        return Self.latin1(encoded)
    }

    /// Bytes as python 3 writes them in protocol 2: text to be encoded in Latin-1, here still in UTF-8.
    private var encoded: ArraySlice<UInt8>? {
        guard case .object(let object) = self, object.calleeName == "_codecs.encode",
            object.arguments.values.count == 2, case .text(let text) = object.arguments.values[0],
            object.arguments.values[1].isText("latin1")
        else { return nil }
        return text.bytes
    }

    /// Valid UTF-8 in Latin-1; nil if it has other characters.
    private static func latin1(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var lead: UInt8?
        for byte in text {
            switch (lead, byte) {
            case (nil, 0..<0x80): bytes.append(byte)
            case (nil, 0xC2...0xC3): lead = byte
            case (let first?, 0x80..<0xC0):
                bytes.append(first << 6 | byte & 0x3F)
                lead = nil
            default: return nil
            }
        }
        return lead == nil ? bytes[...] : nil
    }
}
