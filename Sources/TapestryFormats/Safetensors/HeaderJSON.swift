/// The part of JSON that safetensors headers use, and the index of packed tensors in them: objects, arrays, strings and whole numbers.
///
/// Parsed here rather than by Foundation because duplicate keys must be refused and errors must say where.
enum HeaderJSON {
    struct Member {
        let key: String
        let value: HeaderJSON
    }

    case object([Member])
    case array([HeaderJSON])
    case string(String)
    case integer(Int)
}

extension HeaderJSON {
    /// The elements of an array of whole numbers; nil for any other value.
    var integers: [Int]? {
        guard case .array(let elements) = self else { return nil }
        var integers: [Int] = []
        for element in elements {
            guard case .integer(let integer) = element else { return nil }
            integers.append(integer)
        }
        return integers
    }
}

/// A parser of `HeaderJSON` over a header's bytes.
struct HeaderJSONParser {
    private var reader: ByteReader

    private static let deepest = 4

    /// `base` is where the header begins in its file.
    init(file: String, bytes: [UInt8], base: Int) { reader = ByteReader(file: file, bytes: bytes, base: base) }

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
        return reader.error("expected \(what), found \(found)")
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

    /// More than any network's tensors need; it bounds the memory that a header of tiny values takes.
    private static let mostValues = 250_000
    private var valueCount = 0

    private mutating func value(depth: Int) throws -> HeaderJSON {
        guard depth < Self.deepest else { throw expected("at most \(Self.deepest) levels") }
        valueCount += 1
        guard valueCount <= Self.mostValues else { throw expected("at most \(Self.mostValues) values") }
        if try accept("{") { return .object(try members(depth: depth)) }
        if try accept("[") { return .array(try elements(depth: depth)) }
        if try accept("\"") { return .string(try stringBody()) }
        return .integer(try integer())
    }

    private mutating func members(depth: Int) throws -> [HeaderJSON.Member] {
        var members: [HeaderJSON.Member] = []
        var keys: Set<String> = []
        if try accept("}") { return members }
        repeat {
            try require("\"")
            let start = reader.offset
            let key = try stringBody()
            guard keys.insert(key).inserted else {
                throw reader.error("expected distinct keys, found '\(key)' twice", at: start)
            }
            try require(":")
            members.append(HeaderJSON.Member(key: key, value: try value(depth: depth + 1)))
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
        var decoded: [UInt8] = []
        var runStart = reader.offset
        while true {
            guard let byte = peek(), byte >= 0x20 else { throw expected("a string's closing quote") }
            guard byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                try skip()
                continue
            }
            let run = reader.bytes[runStart..<reader.offset]
            try skip()
            if byte == UInt8(ascii: "\"") {
                if decoded.isEmpty { return try text(run) }
                decoded += run
                return try text(decoded[...])
            }
            // Graphs are long strings: their room is set aside once.
            if decoded.isEmpty { decoded.reserveCapacity(run.count + lengthToQuote) }
            decoded += run
            decoded += String(try escape()).utf8
            runStart = reader.offset
        }
    }

    private func text(_ bytes: ArraySlice<UInt8>) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw expected("a string in UTF-8 before") }
        return text
    }

    /// The bytes from behind a backslash to the quote that ends its string, or to the header's end.
    private var lengthToQuote: Int {
        var isEscaped = true
        let end = reader.bytes[reader.offset...].firstIndex { byte in
            if byte == UInt8(ascii: "\""), !isEscaped { return true }
            isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
            return false
        }
        return (end ?? reader.bytes.endIndex) - reader.offset
    }

    private static let escapes: [Character: Character] = [
        "\"": "\"", "\\": "\\", "/": "/", "b": "\u{8}", "f": "\u{C}", "n": "\n", "r": "\r", "t": "\t",
    ]

    private mutating func escape() throws -> Character {
        let letter = Character(Unicode.Scalar(try reader.byte(for: "escape")))
        if let character = Self.escapes[letter] { return character }
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
