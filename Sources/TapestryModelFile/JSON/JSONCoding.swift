/// Values of Swift's types as JSON texts.
package enum JSONCoding {
    /// The value that `text` is.
    ///
    /// Throws: `FormatError` where it is no JSON, repeats a key, or has more or deeper values than graphs have; what the
    /// type's own decoding throws.
    package static func value<Value: Decodable>(_ type: Value.Type, from text: some Sequence<UInt8>, file: String)
        throws -> Value
    {
        var parser = JSONParser(file: file, bytes: Array(text), rules: .text)
        return try Value(from: JSONDecoding(value: try parser.parse()))
    }

    /// The text of `value`, its members by key: equal values have equal texts.
    ///
    /// Throws: `EncodingError` for a number that is not finite.
    package static func text(of value: some Encodable) throws -> String { try JSONEncoding.text(of: value) }
}
