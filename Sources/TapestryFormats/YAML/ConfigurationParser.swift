import Yams

extension ConfigurationValue {
    /// Reads the YAML file at `path`.
    ///
    /// Throws: `InputNotFound`; `FormatError` if it is too large or not UTF-8; `ConfigurationError` with the line.
    public static func read(_ path: String) throws -> ConfigurationValue {
        let bytes = try InputFile.read(path, limit: ConfigurationParser.sizeLimit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw FormatError(file: path, reason: "expected UTF-8, found other bytes")
        }
        return try parse(text, file: path)
    }

    /// Parses one YAML document; `file` names it in errors. An empty text is null.
    ///
    /// Tags other than the core schema's, keys that are not scalars, and more than a few aliases are refused.
    /// Throws: `ConfigurationError`.
    public static func parse(_ text: String, file: String) throws -> ConfigurationValue {
        var parser = ConfigurationParser(file: file)
        return try parser.parse(text)
    }
}

/// Turns Yams' nodes into values, bounding what aliases may expand to.
struct ConfigurationParser {
    static let sizeLimit = 1 << 18
    private static let aliasLimit = 16
    private static let nodeLimit = 100_000
    private static let deepest = 64

    private let file: String
    private var nodeCount = 0

    init(file: String) { self.file = file }

    mutating func parse(_ text: String) throws -> ConfigurationValue {
        guard text.utf8.count <= Self.sizeLimit else {
            throw error(nil, "expected at most \(Self.sizeLimit) bytes of YAML, found \(text.utf8.count)")
        }
        // Before composing, because a few aliases of aliases already describe more nodes than fit in memory.
        guard Self.mostAliases(in: text) <= Self.aliasLimit else {
            throw error(nil, "expected at most \(Self.aliasLimit) aliases (*name), found more")
        }
        do {
            // A resolver without rules leaves every untagged scalar a string, so that a tag seen later was written.
            guard let root = try Yams.compose(yaml: text, Resolver.basic) else { return ConfigurationValue(.null) }
            return try value(root, depth: 0)
        } catch let yamlError as YamlError {
            throw describe(yamlError)
        }
    }

    private func error(_ line: Int?, _ reason: String) -> ConfigurationError {
        ConfigurationError(file: file, line: line, reason: reason)
    }

    private mutating func value(_ node: Node, depth: Int) throws -> ConfigurationValue {
        nodeCount += 1
        let line = node.mark?.line
        guard nodeCount <= Self.nodeLimit else {
            throw error(line, "expected at most \(Self.nodeLimit) values, found more")
        }
        guard depth < Self.deepest else { throw error(line, "expected at most \(Self.deepest) levels, found more") }
        switch node {
        case .scalar(let scalar):
            guard node.tag == Tag(.str) else { throw tagError(node) }
            return scalar.style == .plain
                ? ConfigurationValue(scalar: scalar.string, line: line)
                : ConfigurationValue(.string(scalar.string), line: line)
        case .sequence(let sequence):
            guard node.tag == Tag(.seq) else { throw tagError(node) }
            var values: [ConfigurationValue] = []
            for element in sequence { values.append(try value(element, depth: depth + 1)) }
            return ConfigurationValue(.list(values), line: line)
        case .mapping(let mapping):
            guard node.tag == Tag(.map) else { throw tagError(node) }
            var members: [ConfigurationValue.Member] = []
            var keys: Set<String> = []
            for (key, element) in mapping {
                guard case .scalar(let name) = key else {
                    throw error(key.mark?.line, "expected a word as key, found another value")
                }
                guard keys.insert(name.string).inserted else {
                    throw error(key.mark?.line, "expected distinct keys, found '\(name.string)' twice")
                }
                members.append(.init(key: name.string, value: try value(element, depth: depth + 1)))
            }
            return ConfigurationValue(.mapping(members), line: line)
        case .alias:
            throw error(line, "expected a value, found an alias of nothing")
        }
    }

    private func tagError(_ node: Node) -> ConfigurationError {
        error(node.mark?.line, "expected a value without a tag, found \(node.tag.description)")
    }

    /// An upper bound of a text's aliases: asterisks that begin a word, wherever they stand.
    private static func mostAliases(in text: String) -> Int {
        var count = 0
        var previous = UInt8(ascii: " ")
        var isAfterAsterisk = false
        for byte in text.utf8 {
            if isAfterAsterisk && byte > UInt8(ascii: " ") && byte != UInt8(ascii: "*") { count += 1 }
            isAfterAsterisk =
                byte == UInt8(ascii: "*") && (previous <= UInt8(ascii: " ") || ",[]{}:-?".utf8.contains(previous))
            previous = byte
        }
        return count
    }

    private func describe(_ yamlError: YamlError) -> ConfigurationError {
        switch yamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let place = context.map { $0.text + " " } ?? ""
            return error(mark.line, "expected YAML, found: \(place)\(problem)")
        case .reader(let problem, _, _, _): return error(nil, "expected YAML, found: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            return error(context.mark.line, "expected distinct keys, found \(keys.joined(separator: ", ")) twice")
        default: return error(nil, "expected YAML, found: \(yamlError)")
        }
    }
}
