extension ConfigurationValue {
    /// What a plain scalar means by YAML 1.2's core schema: null, a Boolean, an integer (decimal, 0o17, 0x1F), a real
    /// number, or otherwise a string.
    public init(scalar text: String, line: Int? = nil) { self.init(Self.resolve(text), line: line) }

    private static func resolve(_ text: String) -> Content {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .real(.infinity)
        case "-.inf", "-.Inf", "-.INF": return .real(-.infinity)
        case ".nan", ".NaN", ".NAN": return .real(.nan)
        default: return integer(text).map(Content.integer) ?? real(text).map(Content.real) ?? .string(text)
        }
    }

    /// nil also for an integer that does not fit, which then is a real number.
    private static func integer(_ text: String) -> Int? {
        for (prefix, radix) in [("0x", 16), ("0o", 8)] where text.hasPrefix(prefix) {
            let digits = text.dropFirst(2)
            return digits.first.map(\.isHexDigit) == true ? Int(digits, radix: radix) : nil
        }
        return Int(text)
    }

    /// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
    private static func real(_ text: String) -> Double? {
        var rest = text.utf8[...]
        func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        func skipSign() {
            if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { rest.removeFirst() }
        }
        func skipDigits() -> Int {
            let count = rest.prefix(while: isDigit).count
            rest.removeFirst(count)
            return count
        }
        skipSign()
        let whole = skipDigits()
        var fraction = 0
        if rest.first == UInt8(ascii: ".") {
            rest.removeFirst()
            fraction = skipDigits()
        }
        guard whole + fraction > 0 else { return nil }
        if let mark = rest.first, mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E") {
            rest.removeFirst()
            skipSign()
            guard skipDigits() > 0 else { return nil }
        }
        guard rest.isEmpty else { return nil }
        // Swift wants digits on both sides of the point.
        let normal = text.replacing(
            ".", with: fraction == 0 ? (text.contains(".") ? ".0" : "") : (whole == 0 ? "0." : "."))
        return Double(normal)
    }
}
