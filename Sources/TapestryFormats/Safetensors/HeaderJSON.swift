/// The part of JSON that safetensors headers use: objects, arrays, strings and whole numbers.
///
/// Parsed here rather than by Foundation because duplicate keys must be refused and errors must say where.
indirect enum HeaderJSON {
    case object([(key: String, value: HeaderJSON)])
    case array([HeaderJSON])
    case string(String)
    case integer(Int)
}

/// A parser of `HeaderJSON` over a header's bytes.
struct HeaderJSONParser {
    private var reader: ByteReader
    /// Where the header begins in its file.
    private let base: Int

    private static let deepest = 4

    init(file: String, bytes: [UInt8], base: Int) {
        reader = ByteReader(file: file, bytes: bytes)
        self.base = base
    }

    /// The header's one value; spaces may follow it.
    ///
    /// Throws: `FormatError` at the offset in the file.
    mutating func parse() throws -> HeaderJSON {
        guard peek() == UInt8(ascii: "{") else { throw expected("'{' as the header's first byte") }
        let value = try value(depth: 0)
        skipSpace()
        guard reader.remaining == 0 else { throw expected("the end of the header") }
        return value
    }

    private func peek() -> UInt8? { reader.remaining > 0 ? reader.bytes[reader.offset] : nil }

    private func expected(_ what: String) -> FormatError {
        let found = peek().map { "byte 0x" + String($0, radix: 16) } ?? "the end of the header"
        return reader.error("expected \(what), found \(found)", at: base + reader.offset)
    }

    private mutating func skip() throws { _ = try reader.take(1, for: "header") }

    private mutating func skipSpace() {
        while let byte = peek(), [0x20, 0x09, 0x0A, 0x0D].contains(byte) { _ = try? skip() }
    }

    private mutating func accept(_ character: Unicode.Scalar) throws -> Bool {
        skipSpace()
        guard peek() == UInt8(ascii: character) else { return false }
        try skip()
        return true
    }

    private mutating func require(_ character: Unicode.Scalar) throws {
        guard try accept(character) else { throw expected("'\(character)'") }
    }

    private mutating func value(depth: Int) throws -> HeaderJSON {
        guard depth < Self.deepest else { throw expected("at most \(Self.deepest) levels") }
        if try accept("{") { return .object(try members(depth: depth)) }
        if try accept("[") { return .array(try elements(depth: depth)) }
        if try accept("\"") { return .string(try stringBody()) }
        return .integer(try integer())
    }

    private mutating func members(depth: Int) throws -> [(key: String, value: HeaderJSON)] {
        var members: [(key: String, value: HeaderJSON)] = []
        var keys: Set<String> = []
        if try accept("}") { return members }
        repeat {
            try require("\"")
            let start = reader.offset
            let key = try stringBody()
            guard keys.insert(key).inserted else {
                throw reader.error("expected distinct keys, found '\(key)' twice", at: base + start)
            }
            try require(":")
            members.append((key, try value(depth: depth + 1)))
        } while try accept(",")
        try require("}")
        return members
    }

    private mutating func elements(depth: Int) throws -> [HeaderJSON] {
        var elements: [HeaderJSON] = []
        if try accept("]") { return elements }
        repeat { elements.append(try value(depth: depth + 1)) } while try accept(",")
        try require("]")
        return elements
    }

    private mutating func integer() throws -> Int {
        let start = reader.offset
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { try skip() }
        let digits = reader.bytes[start..<reader.offset]
        guard !digits.isEmpty, digits.count == 1 || digits.first != UInt8(ascii: "0"),
            let value = Int(String(decoding: digits, as: UTF8.self))
        else { throw expected("a whole number, a string, '[' or '{'") }
        return value
    }

    /// The rest of a string whose opening quote has been read, up to and with the closing one.
    private mutating func stringBody() throws -> String {
        var bytes: [UInt8] = []
        var runStart = reader.offset
        while true {
            guard let byte = peek(), byte >= 0x20 else { throw expected("a string's closing quote") }
            guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                try skip()
                continue
            }
            bytes += reader.bytes[runStart..<reader.offset]
            try skip()
            if byte == UInt8(ascii: "\"") { break }
            bytes += String(try escape()).utf8
            runStart = reader.offset
        }
        guard let string = String(validating: bytes, as: UTF8.self) else { throw expected("a string in UTF-8 before") }
        return string
    }

    private mutating func escape() throws -> Character {
        let letter = Character(Unicode.Scalar(try reader.byte(for: "escape")))
        let simple: [Character: Character] = [
            "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{C}", "n": "\n", "r": "\r", "t": "\t",
        ]
        if let character = simple[letter] { return character }
        guard letter == "u" else { throw expected("a JSON escape before") }
        var code = try hexadecimal()
        if (0xD800..<0xDC00).contains(code) {
            let prefix = try reader.take(2, for: "low surrogate")
            let low = try hexadecimal()
            guard reader.bytes[prefix].elementsEqual("\\u".utf8), (0xDC00..<0xE000).contains(low) else {
                throw expected("a low surrogate before")
            }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw expected("a Unicode scalar before") }
        return Character(scalar)
    }

    private mutating func hexadecimal() throws -> UInt32 {
        let digits = reader.bytes[try reader.take(4, for: "\\u escape")]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
            throw expected("four digits before")
        }
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0
    }
}
