import TapestryFormats
import TapestryMethods

/// The file of `--method-config`: a list of rules, of which the first whose pattern matches a layer's name wins.
///
///     - layers: "feature.?"                       # a shell pattern; * matches dots too
///       method: ask:ASK_5a                        # as after --method
///     - layers: "*"
///       ask: [[2, 4, 5, 6, 8], [1, 3, 5, 7, 9]]   # tap sets of one's own
///
/// A layer that no rule matches stays dense.
enum MethodConfiguration {
    /// Throws: `InputNotFound`, `FormatError`; `ConfigurationError` with the line of a rule that is none.
    static func read(_ path: String) throws -> MethodAssignment {
        let root = try ConfigurationValue.read(path)
        guard let items = root.list, !items.isEmpty else {
            throw ConfigurationError(
                file: path, line: root.line, reason: "expected a list of rules, each with \"layers\" and \"method\"")
        }
        return MethodAssignment(rules: try items.map { try rule($0, file: path) })
    }

    private static func rule(_ item: ConfigurationValue, file: String) throws -> MethodAssignment.Rule {
        func failure(_ value: ConfigurationValue, _ reason: String) -> ConfigurationError {
            ConfigurationError(file: file, line: value.line ?? item.line, reason: reason)
        }
        guard let members = item.members else {
            throw failure(item, "expected a rule with \"layers\" and \"method\", found another value")
        }
        for member in members where !["layers", "method", "ask"].contains(member.key) {
            throw failure(
                member.value, "unknown key \"\(member.key)\"; a rule has \"layers\" and \"method\" or \"ask\"")
        }
        guard let pattern = item["layers"]?.string, !pattern.isEmpty else {
            throw failure(
                item["layers"] ?? item, "expected \"layers\", a pattern of layer names in quotes, as \"layer1.*\"")
        }
        let method: String
        switch (item["method"], item["ask"]) {
        case (let value?, nil):
            guard let text = value.string else { throw failure(value, "expected a method such as ask:ASK_5a") }
            method = text
        case (nil, let value?):
            guard let text = tapSets(value) else {
                throw failure(value, "expected a list of tap sets such as [[2, 4, 5, 6, 8], [1, 3, 5, 7, 9]]")
            }
            method = "ask:\(text)"
        default: throw failure(item, "expected either \"method\" or \"ask\" beside \"layers\"")
        }
        do { _ = try Methods.parse(method) } catch { throw failure(item["method"] ?? item["ask"] ?? item, "\(error)") }
        return MethodAssignment.Rule(pattern: pattern, method: method)
    }

    /// The text of a list of lists of whole numbers, or of a published shape's name.
    private static func tapSets(_ value: ConfigurationValue) -> String? {
        if let name = value.string { return name }
        guard let lists = value.list else { return nil }
        var sets: [String] = []
        for list in lists {
            guard let taps = list.list else { return nil }
            let numbers = taps.compactMap(\.integer)
            guard numbers.count == taps.count else { return nil }
            sets.append("[\(numbers.map(String.init).joined(separator: ","))]")
        }
        return "[\(sets.joined(separator: ","))]"
    }
}
