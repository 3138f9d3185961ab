extension ConfigurationValue {
    /// The value as YAML, ending in a newline: mappings in block style, lists of scalars in brackets. Reading it again
    /// gives an equal value.
    public var yaml: String {
        var lines: [String] = []
        emit(indentation: 0, prefix: "", to: &lines)
        return lines.joined(separator: "\n") + "\n"
    }

    /// Appends the value's lines; the first begins with `prefix` ("key:" or "-"), already indented.
    private func emit(indentation: Int, prefix: String, to lines: inout [String]) {
        let inner = prefix.isEmpty ? indentation : indentation + 2
        let margin = String(repeating: " ", count: inner)
        switch content {
        case .mapping(let members) where !members.isEmpty:
            if !prefix.isEmpty { lines.append(prefix) }
            for member in members {
                member.value.emit(indentation: inner, prefix: margin + Self.text(member.key) + ":", to: &lines)
            }
        case .list(let values) where values.contains(where: \.needsBlock):
            if !prefix.isEmpty { lines.append(prefix) }
            for value in values { value.emit(indentation: inner, prefix: margin + "-", to: &lines) }
        default:
            lines.append(prefix.isEmpty ? flow : "\(prefix) \(flow)")
        }
    }

    private var needsBlock: Bool {
        switch content {
        case .mapping(let members): !members.isEmpty
        case .list(let values): values.contains(where: \.needsBlock)
        default: false
        }
    }

    /// The value on one line.
    private var flow: String {
        switch content {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .real(let value): Self.text(value)
        case .string(let value): Self.text(value)
        case .list(let values): "[" + values.map(\.flow).joined(separator: ", ") + "]"
        case .mapping(let members):
            "{" + members.map { "\(Self.text($0.key)): \($0.value.flow)" }.joined(separator: ", ") + "}"
        }
    }

    private static func text(_ value: Double) -> String {
        if value.isNaN { return ".nan" }
        if value.isInfinite { return value < 0 ? "-.inf" : ".inf" }
        // A whole real keeps its point ("1.0"), which is what tells it from an integer.
        return value.description
    }

    /// A string bare where that is read back as the same string, in double quotes otherwise.
    private static func text(_ value: String) -> String {
        let isWord = value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "_-./+".utf8.contains(byte)
            }
        }
        let resolved = ConfigurationValue(scalar: value).content
        let isBare = isWord && !value.hasPrefix("-") && !value.hasPrefix(".") && resolved == .string(value)
        return isBare ? value : JSONText.quoted(value)
    }
}
