/// Names as a model file keeps them: a fact of its own whose text is a JSON list of texts.
public struct NameList: Sendable {
    /// The names of a network's classes.
    public static let classNames = NameList(key: "class-names")
    /// The layers whose weights have been quantised.
    public static let quantizedLayers = NameList(key: "quantized-layers")

    /// Of the fact.
    public let key: String

    /// Of the fact's bytes: a decoder makes more of a short text than the file has for it.
    private static let sizeLimit = 1 << 20

    /// The fact's text.
    public func text(_ names: [String]) -> String { "[\(names.map(JSONText.quoted).joined(separator: ","))]" }

    /// The names that the facts of the model file at `path` hold; nil if they hold none.
    ///
    /// Throws: `FormatError` if the fact is no list of texts.
    public func read(_ facts: [String: String], path: String) throws -> [String]? {
        guard let text = facts[key] else { return nil }
        guard text.utf8.count <= Self.sizeLimit else {
            throw FormatError(
                file: path, reason: "its metadata \"\(key)\" has \(text.utf8.count) bytes, of at most \(Self.sizeLimit)"
            )
        }
        guard let names = try? JSONCoding.value([String].self, from: text.utf8, file: path) else {
            throw FormatError(file: path, reason: "its metadata \"\(key)\" is not a JSON list of texts")
        }
        return names
    }
}
