import Foundation
import TapestryCore

/// The names of a network's classes, as a model file keeps them: its fact `class-names`, a JSON list of texts.
public enum ClassNames {
    public static let key = "class-names"

    /// Of the fact's bytes: a decoder makes more of a short text than the file has for it.
    private static let sizeLimit = 1 << 20

    /// The fact's text.
    public static func text(_ names: [String]) -> String { "[\(names.map(JSONText.quoted).joined(separator: ","))]" }

    /// The names that the facts of the model file at `path` hold; nil if they hold none.
    ///
    /// Throws: `FormatError` if the fact is no list of texts.
    public static func read(_ facts: [String: String], path: String) throws -> [String]? {
        guard let text = facts[key] else { return nil }
        guard text.utf8.count <= sizeLimit else {
            throw FormatError(
                file: path, reason: "its metadata \"\(key)\" has \(text.utf8.count) bytes, of at most \(sizeLimit)")
        }
        guard let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) else {
            throw FormatError(file: path, reason: "its metadata \"\(key)\" is not a JSON list of texts")
        }
        return names
    }
}
