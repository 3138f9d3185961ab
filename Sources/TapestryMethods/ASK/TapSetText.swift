/// Reads lists of tap sets as they are written on the command line: `[[2,4,5,6,8],[1,3,5,7,9]]`, white space between any
/// two of its signs.
struct TapSetText {
    private let text: String
    private var rest: Substring

    /// The numbers of each set. Throws `MethodError` with what was expected.
    static func parse(_ text: String) throws(MethodError) -> [[Int]] {
        var reader = TapSetText(text: text, rest: text[...])
        let sets = try reader.list { reader throws(MethodError) in
            try reader.list { reader throws(MethodError) in try reader.number() }
        }
        reader.skipSpace()
        guard reader.rest.isEmpty else { throw reader.malformed }
        return sets
    }

    private mutating func list<Element>(
        of element: (inout TapSetText) throws(MethodError) -> Element
    ) throws(MethodError) -> [Element] {
        guard take("[") else { throw malformed }
        if take("]") { return [] }
        var elements: [Element] = []
        repeat { elements.append(try element(&self)) } while take(",")
        guard take("]") else { throw malformed }
        return elements
    }

    private mutating func number() throws(MethodError) -> Int {
        skipSpace()
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest[digits.endIndex...]
        guard let number = Int(digits) else { throw malformed }
        return number
    }

    /// Whether `sign` comes next; if so it is read.
    private mutating func take(_ sign: Character) -> Bool {
        skipSpace()
        guard rest.first == sign else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func skipSpace() { rest = rest.drop { $0.isWhitespace } }

    private var malformed: MethodError {
        MethodError("\"\(text)\" is not a list of tap sets such as [[2,4,5,6,8],[1,3,5,7,9]]")
    }
}
