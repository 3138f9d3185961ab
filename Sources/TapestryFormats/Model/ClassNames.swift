import Foundation
import TapestryCore

/// The names of a network's classes, as a model file keeps them: its fact `class-names`, a JSON list of texts.
public enum ClassNames {
    public static let key = "class-names"

    /// The fact's text.
    public static func text(_ names: [String]) -> String { "[\(names.map(JSONText.quoted).joined(separator: ","))]" }

    /// The names that the facts of the model file at `path` hold; nil if they hold none.
    ///
    /// Throws: `FormatError` if the fact is no list of texts.
    public static func read(_ facts: [String: String], path: String) throws -> [String]? {
        guard let text = facts[key] else { return nil }
        guard let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8)) else {
            throw FormatError(file: path, reason: "its metadata \"\(key)\" is not a JSON list of texts")
        }
        return names
    }
}
