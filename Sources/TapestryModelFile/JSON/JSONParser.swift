/// A parser of JSON in UTF-8.
///
/// A parser of our own: duplicate keys must be refused, errors must say where, what a hostile text can make it allocate
/// must be bounded, and a program that only runs a network should not carry Foundation for its sake.
struct JSONParser {
    private var reader: ByteReader
    private let rules: JSONRules
    private var valueCount = 0

    /// `base` is where the text begins in its file.
    init(file: String, bytes: [UInt8], base: Int = 0, rules: JSONRules) {
        reader = ByteReader(file: file, bytes: bytes, base: base)
        self.rules = rules
    }

    /// The text's one value; spaces may follow it.
    ///
    /// Throws: `FormatError` at the offset in the file.
    mutating func parse() throws -> JSONValue {
        guard !rules.isHeader || peek() == UInt8(ascii: "{") else {
            throw expected("'{' as the header's first byte")
        }
        let value = try value(depth: 0)
        skipSpace()
        guard reader.remaining == 0 else { throw expected("the end of the \(rules.name)") }
        return value
    }

    private func peek() -> UInt8? { reader.remaining > 0 ? reader.bytes[reader.offset] : nil }

    private func expected(_ what: String) -> FormatError {
        let found = peek().map { "byte 0x" + String($0, radix: 16) } ?? "the end of the \(rules.name)"
        return reader.error("expected \(what), found \(found)")
    }

    private mutating func skip() throws { _ = try reader.take(1, for: rules.name) }

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

    private mutating func value(depth: Int) throws -> JSONValue {
        guard depth < rules.deepest else { throw expected("at most \(rules.deepest) levels") }
        valueCount += 1
        guard valueCount <= rules.mostValues else { throw expected("at most \(rules.mostValues) values") }
        if try accept("{") { return .object(try members(depth: depth)) }
        if try accept("[") { return .array(try elements(depth: depth)) }
        if try accept("\"") { return .string(try stringBody()) }
        if rules.isHeader { return .integer(try wholeNumber()) }
        return try word() ?? number()
    }

    private mutating func members(depth: Int) throws -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
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
            members.append(JSONValue.Member(key: key, value: try value(depth: depth + 1)))
        } while try accept(",")
        try require("}")
        return members
    }

    private mutating func elements(depth: Int) throws -> [JSONValue] {
        var elements: [JSONValue] = []
        if try accept("]") { return elements }
        repeat { elements.append(try value(depth: depth + 1)) } while try accept(",")
        try require("]")
        return elements
    }

    /// Steps over digits and returns whether there were any.
    private mutating func skipDigits() throws -> Bool {
        let start = reader.offset
        while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { try skip() }
        return reader.offset > start
    }

    /// Steps over one of `characters`, if it is next.
    private mutating func skipOne(of characters: StaticString) throws {
        let isNext = peek().map { byte in characters.withUTF8Buffer { $0.contains(byte) } } ?? false
        if isNext { try skip() }
    }

    private func text(from start: Int) -> String {
        String(decoding: reader.bytes[start..<reader.offset], as: UTF8.self)
    }

    private mutating func wholeNumber() throws -> Int {
        let start = reader.offset
        guard try skipDigits(), let value = Int(text(from: start)),
            reader.offset - start == 1 || reader.bytes[start] != UInt8(ascii: "0")
        else { throw expected("a whole number, a string, '[' or '{'") }
        return value
    }

    private mutating func number() throws -> JSONValue {
        let start = reader.offset
        try skipOne(of: "-")
        let digits = reader.offset
        var isNumber = try skipDigits() && (reader.offset - digits == 1 || reader.bytes[digits] != UInt8(ascii: "0"))
        if peek() == UInt8(ascii: ".") {
            try skip()
            isNumber = try skipDigits() && isNumber
        }
        if let byte = peek(), byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            try skip()
            try skipOne(of: "+-")
            isNumber = try skipDigits() && isNumber
        }
        let text = text(from: start)
        if isNumber, let integer = Int(text) { return .integer(integer) }
        guard isNumber, let number = Double(text), number.isFinite else { throw expected("a JSON value before") }
        return .number(number)
    }

    private static let words: [(String, JSONValue)] = [
        ("true", .boolean(true)), ("false", .boolean(false)), ("null", .null),
    ]

    /// A value that is a word; nil if there is none.
    private mutating func word() throws -> JSONValue? {
        for (word, value) in Self.words where reader.bytes[reader.offset...].starts(with: word.utf8) {
            _ = try reader.take(word.utf8.count, for: word)
            return value
        }
        return nil
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
