import TapestryFormats

/// One named setting of a configuration: how a file, `--set key=value` and `config.yaml` spell a property.
struct Field<Root: Sendable>: Sendable {
    let key: String
    let read: @Sendable (Root) -> ConfigurationValue
    let write: @Sendable (inout Root, ConfigurationValue) throws(SettingError) -> Void
}

/// A setting that does not exist or cannot have the value given.
public struct SettingError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    /// The line of the file that the value stands on, if it came from one.
    public let line: Int?

    package init(_ description: String, line: Int? = nil) {
        self.description = description
        self.line = line
    }
}

extension Field {
    static func integer(
        _ key: String, _ path: any WritableKeyPath<Root, Int> & Sendable, in range: ClosedRange<Int>
    ) -> Field {
        Field(key: key, read: { ConfigurationValue(.integer($0[keyPath: path])) }) { root, value throws(SettingError) in
            guard let number = value.integer, range.contains(number) else {
                throw expected("a whole number within \(range)", for: key, value)
            }
            root[keyPath: path] = number
        }
    }

    static func real(
        _ key: String, _ path: any WritableKeyPath<Root, Double> & Sendable, in range: ClosedRange<Double>
    ) -> Field {
        Field(key: key, read: { ConfigurationValue(.real($0[keyPath: path])) }) { root, value throws(SettingError) in
            guard let number = value.number, range.contains(number) else {
                throw expected("a number within \(range)", for: key, value)
            }
            root[keyPath: path] = number
        }
    }

    static func string(_ key: String, _ path: any WritableKeyPath<Root, String> & Sendable) -> Field {
        Field(key: key, read: { ConfigurationValue(.string($0[keyPath: path])) }) { root, value throws(SettingError) in
            guard let text = value.string, !text.isEmpty else { throw expected("a text", for: key, value) }
            root[keyPath: path] = text
        }
    }

    /// A whole number, or null for none.
    static func optionalInteger(
        _ key: String, _ path: any WritableKeyPath<Root, Int?> & Sendable, in range: ClosedRange<Int>
    ) -> Field {
        Field(key: key, read: { ConfigurationValue($0[keyPath: path].map { .integer($0) } ?? .null) }) {
            root, value throws(SettingError) in
            guard value.content == .null || value.integer.map(range.contains) == true else {
                throw expected("null or a whole number within \(range)", for: key, value)
            }
            root[keyPath: path] = value.integer
        }
    }

    /// A number that null turns off.
    static func optionalReal(
        _ key: String, _ path: any WritableKeyPath<Root, Double?> & Sendable, in range: ClosedRange<Double>
    ) -> Field {
        Field(key: key, read: { ConfigurationValue($0[keyPath: path].map { .real($0) } ?? .null) }) {
            root, value throws(SettingError) in
            if value.content == .null {
                root[keyPath: path] = nil
                return
            }
            guard let number = value.number, range.contains(number) else {
                throw expected("null or a number within \(range)", for: key, value)
            }
            root[keyPath: path] = number
        }
    }

    static func bool(_ key: String, _ path: any WritableKeyPath<Root, Bool> & Sendable) -> Field {
        Field(key: key, read: { ConfigurationValue(.bool($0[keyPath: path])) }) { root, value throws(SettingError) in
            guard let flag = value.bool else { throw expected("true or false", for: key, value) }
            root[keyPath: path] = flag
        }
    }

    static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
        _ key: String, _ path: any WritableKeyPath<Root, Choice> & Sendable
    ) -> Field {
        Field(key: key, read: { ConfigurationValue(.string($0[keyPath: path].rawValue)) }) {
            root, value throws(SettingError) in
            guard let choice = value.string.flatMap(Choice.init(rawValue:)) else {
                throw expected(Choice.allCases.map(\.rawValue).joined(separator: " or "), for: key, value)
            }
            root[keyPath: path] = choice
        }
    }

    /// One of a type's values, or null.
    static func optionalChoice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
        _ key: String, _ path: any WritableKeyPath<Root, Choice?> & Sendable
    ) -> Field {
        Field(key: key, read: { ConfigurationValue($0[keyPath: path].map { .string($0.rawValue) } ?? .null) }) {
            root, value throws(SettingError) in
            let choice = value.string.flatMap(Choice.init(rawValue:))
            guard value.content == .null || choice != nil else {
                throw expected("null or \(Choice.allCases.map(\.rawValue).joined(separator: " or "))", for: key, value)
            }
            root[keyPath: path] = choice
        }
    }

    /// One of some names, or null.
    static func optionalString(
        _ key: String, _ path: any WritableKeyPath<Root, String?> & Sendable, oneOf names: [String]
    ) -> Field {
        Field(key: key, read: { ConfigurationValue($0[keyPath: path].map { .string($0) } ?? .null) }) {
            root, value throws(SettingError) in
            guard value.content == .null || names.contains(value.string ?? "") else {
                throw expected("null or \(names.joined(separator: " or "))", for: key, value)
            }
            root[keyPath: path] = value.string
        }
    }

    static func reals(
        _ key: String, _ path: any WritableKeyPath<Root, [Double]> & Sendable, in range: ClosedRange<Double>
    ) -> Field {
        Field(key: key, read: { ConfigurationValue(.list($0[keyPath: path].map { ConfigurationValue(.real($0)) })) }) {
            root, value throws(SettingError) in
            let numbers = value.list?.compactMap(\.number) ?? []
            guard let list = value.list, numbers.count == list.count, numbers.allSatisfy(range.contains) else {
                throw expected("a list of numbers within \(range)", for: key, value)
            }
            root[keyPath: path] = numbers
        }
    }

    static func strings(_ key: String, _ path: any WritableKeyPath<Root, [String]> & Sendable) -> Field {
        Field(key: key, read: { ConfigurationValue(.list($0[keyPath: path].map { ConfigurationValue(.string($0)) })) })
        {
            root, value throws(SettingError) in
            let texts = value.list?.compactMap(\.string) ?? []
            guard let list = value.list, texts.count == list.count, !texts.contains("") else {
                throw expected("a list of texts", for: key, value)
            }
            root[keyPath: path] = texts
        }
    }

    static func expected(_ what: String, for key: String, _ value: ConfigurationValue) -> SettingError {
        SettingError("\(key) must be \(what), not \(value.inline)", line: value.line)
    }
}

extension ConfigurationValue {
    /// The value in one line, for messages.
    var inline: String {
        switch content {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .real(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        case .list(let values): "[\(values.map(\.inline).joined(separator: ", "))]"
        case .mapping(let members): "{\(members.map { "\($0.key): \($0.value.inline)" }.joined(separator: ", "))}"
        }
    }
}
