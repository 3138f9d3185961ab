/// A value of a configuration file: what YAML's core schema can say, with the line it stands on.
public struct ConfigurationValue: Sendable {
    /// A key of a mapping and its value.
    public struct Member: Equatable, Sendable {
        public let key: String
        public let value: ConfigurationValue

        public init(key: String, value: ConfigurationValue) {
            self.key = key
            self.value = value
        }
    }

    public enum Content: Equatable, Sendable {
        case null
        case bool(Bool)
        case integer(Int)
        case real(Double)
        case string(String)
        case list([ConfigurationValue])
        /// In the file's order; keys are distinct.
        case mapping([Member])
    }

    public let content: Content
    /// Counted from 1; nil for a value that came from no file.
    public let line: Int?

    public init(_ content: Content, line: Int? = nil) {
        self.content = content
        self.line = line
    }

    /// A mapping of `members`, in their order. Precondition: the keys are distinct.
    public static func mapping(_ members: KeyValuePairs<String, ConfigurationValue>) -> ConfigurationValue {
        precondition(Set(members.map(\.key)).count == members.count)
        return ConfigurationValue(.mapping(members.map { Member(key: $0.key, value: $0.value) }))
    }

    /// The value of `key`, if this is a mapping that has it.
    public subscript(key: String) -> ConfigurationValue? {
        guard case .mapping(let members) = content else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// A whole number; nil for any other value.
    public var integer: Int? {
        if case .integer(let value) = content { value } else { nil }
    }

    /// A real or a whole number; nil for any other value.
    public var number: Double? {
        switch content {
        case .integer(let value): Double(value)
        case .real(let value): value
        default: nil
        }
    }

    public var bool: Bool? {
        if case .bool(let value) = content { value } else { nil }
    }

    public var string: String? {
        if case .string(let value) = content { value } else { nil }
    }

    public var list: [ConfigurationValue]? {
        if case .list(let values) = content { values } else { nil }
    }

    public var members: [Member]? {
        if case .mapping(let members) = content { members } else { nil }
    }
}

extension ConfigurationValue: Equatable {
    /// Whether the contents are equal, wherever they stand.
    public static func == (left: ConfigurationValue, right: ConfigurationValue) -> Bool {
        left.content == right.content
    }
}

extension ConfigurationValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral
{
    public init(stringLiteral value: String) { self.init(.string(value)) }
    public init(integerLiteral value: Int) { self.init(.integer(value)) }
    public init(floatLiteral value: Double) { self.init(.real(value)) }
    public init(booleanLiteral value: Bool) { self.init(.bool(value)) }
    public init(arrayLiteral elements: ConfigurationValue...) { self.init(.list(elements)) }
}
