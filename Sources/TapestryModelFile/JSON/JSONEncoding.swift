/// Makes the JSON text of an `Encodable` value, its members by key: equal values have equal texts.
///
/// Each value under way is a node of its own; containers fill the node that they are of.
final class JSONEncoding: Encoder {
    private enum Content {
        case text(String)
        case members([(key: String, node: JSONEncoding)])
        case elements([JSONEncoding])
    }

    let codingPath: [any CodingKey]
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    /// Of what encodes nothing an object without members.
    private var content = Content.members([])

    private init(_ codingPath: [any CodingKey]) { self.codingPath = codingPath }

    /// Throws: `EncodingError` for a number that is not finite; what `value` throws.
    static func text(of value: some Encodable) throws -> String {
        let node = JSONEncoding([])
        try value.encode(to: node)
        var text = ""
        node.write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch content {
        case .text(let own): text += own
        case .members(let members):
            text += "{"
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                text += "\(index > 0 ? "," : "")\(JSONText.quoted(member.key)):"
                member.node.write(to: &text)
            }
            text += "}"
        case .elements(let elements):
            text += "["
            for (index, node) in elements.enumerated() {
                if index > 0 { text += "," }
                node.write(to: &text)
            }
            text += "]"
        }
    }

    fileprivate func member(_ key: some CodingKey) -> JSONEncoding {
        let node = JSONEncoding(codingPath + [key])
        if case .members(var members) = content {
            content = .members([])
            members.append((key.stringValue, node))
            content = .members(members)
        }
        return node
    }

    fileprivate func element() -> JSONEncoding {
        guard case .elements(var elements) = content else { preconditionFailure("an array that became another value") }
        content = .elements([])
        let node = JSONEncoding(codingPath + [Place.element(elements.count)])
        elements.append(node)
        content = .elements(elements)
        return node
    }

    fileprivate var elementCount: Int { if case .elements(let elements) = content { elements.count } else { 0 } }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Members(node: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        if elementCount == 0 { content = .elements([]) }
        return Elements(node: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }
}

extension JSONEncoding: SingleValueEncodingContainer {
    func encodeNil() { content = .text("null") }
    func encode(_ value: Bool) { content = .text(value ? "true" : "false") }
    func encode(_ value: String) { content = .text(JSONText.quoted(value)) }

    func encode(_ value: Double) throws {
        guard value.isFinite else {
            throw EncodingError.invalidValue(
                value, .init(codingPath: codingPath, debugDescription: "JSON has no number \(value)"))
        }
        let text = "\(value)"
        content = .text(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
    }

    func encode(_ value: Float) throws { try encode(Double(value)) }
    func encode(_ value: Int) { content = .text("\(value)") }
    func encode(_ value: Int8) { content = .text("\(value)") }
    func encode(_ value: Int16) { content = .text("\(value)") }
    func encode(_ value: Int32) { content = .text("\(value)") }
    func encode(_ value: Int64) { content = .text("\(value)") }
    func encode(_ value: UInt) { content = .text("\(value)") }
    func encode(_ value: UInt8) { content = .text("\(value)") }
    func encode(_ value: UInt16) { content = .text("\(value)") }
    func encode(_ value: UInt32) { content = .text("\(value)") }
    func encode(_ value: UInt64) { content = .text("\(value)") }
    func encode<Value: Encodable>(_ value: Value) throws { try value.encode(to: self) }
}

/// Fills an object. The methods for any type are also those that the protocol has for each basic one.
private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let node: JSONEncoding

    var codingPath: [any CodingKey] { node.codingPath }

    func encodeNil(forKey key: Key) { node.member(key).encodeNil() }
    func encode<Value: Encodable>(_ value: Value, forKey key: Key) throws { try value.encode(to: node.member(key)) }

    func nestedContainer<NestedKey: CodingKey>(
        keyedBy type: NestedKey.Type, forKey key: Key
    ) -> KeyedEncodingContainer<NestedKey> {
        node.member(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { node.member(key).unkeyedContainer() }
    func superEncoder() -> any Encoder { node.member(Place.parent) }
    func superEncoder(forKey key: Key) -> any Encoder { node.member(key) }
}

/// Fills an array.
private struct Elements: UnkeyedEncodingContainer {
    let node: JSONEncoding

    var codingPath: [any CodingKey] { node.codingPath }
    var count: Int { node.elementCount }

    func encodeNil() { node.element().encodeNil() }
    func encode<Value: Encodable>(_ value: Value) throws { try value.encode(to: node.element()) }

    func nestedContainer<NestedKey: CodingKey>(keyedBy type: NestedKey.Type) -> KeyedEncodingContainer<NestedKey> {
        node.element().container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { node.element().unkeyedContainer() }
    func superEncoder() -> any Encoder { node.element() }
}
