/// A parsed JSON text. A number is an `integer` where it is written as one that fits.
enum JSONValue: Sendable {
    struct Member: Sendable {
        let key: String
        let value: JSONValue
    }

    /// In the order of the text; no key is there twice.
    case object([Member])
    case array([JSONValue])
    case string(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case null

    /// The elements of an array of whole numbers; nil for any other value.
    var wholeNumbers: [Int]? {
        guard case .array(let elements) = self else { return nil }
        var numbers: [Int] = []
        for element in elements {
            guard case .integer(let number) = element, number >= 0 else { return nil }
            numbers.append(number)
        }
        return numbers
    }
}

/// What a JSON text may be: how much is made of it at most, whatever it says, and which of JSON's values it may have.
struct JSONRules {
    /// What the text is, for errors.
    let name: String
    let deepest: Int
    let mostValues: Int
    /// Whether only objects, arrays, strings and whole numbers are taken, and an object's brace is the first byte.
    let isHeader: Bool

    /// A safetensors header, or what is kept in one. More values than any network's tensors need.
    static let header = JSONRules(name: "header", deepest: 4, mostValues: 250_000, isHeader: true)
    /// Any text. A network of a thousand layers, each with taps of its own for a hundred channels, has half as many values.
    static let text = JSONRules(name: "text", deepest: 16, mostValues: 500_000, isHeader: false)
}
