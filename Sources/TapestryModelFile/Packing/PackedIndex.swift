import TapestryCore

/// Which tensors of a safetensors file are packed and how: its metadata `tapestry.packed`, a JSON object with a member for
/// each of them.
///
///     {"conv.weight":{"form":"ternary","shape":[16,16,3,3]}}
///
/// Files from before all tensors had digests (`FileDigests`) have a third member, `sha256`: that of the unpacked elements'
/// bytes, as a safetensors file has them, in 64 digits, lower case.
struct PackedIndex {
    struct Entry: Equatable {
        let form: PackedTensor.Form
        let shape: Shape
        var digest: String?
    }

    static let key = "tapestry.packed"

    var entries: [String: Entry] = [:]

    init() {}

    /// Of a file's metadata. Throws: `FormatError`.
    init(_ metadata: [String: String], file: String) throws {
        guard let text = metadata[Self.key] else { return }
        func failure(_ reason: String) -> FormatError {
            FormatError(file: file, reason: "its metadata \"\(Self.key)\": \(reason)")
        }
        let value: JSONValue
        do {
            var parser = JSONParser(file: file, bytes: Array(text.utf8), rules: .header)
            value = try parser.parse()
        } catch let error as FormatError {
            throw failure("at byte \(error.offset ?? 0) of it: \(error.reason)")
        }
        guard case .object(let members) = value else { throw failure("expected an object, found another value") }
        for member in members {
            entries[member.key] = try Self.entry(member.value) { failure("tensor '\(member.key)': \($0)") }
        }
    }

    private static func entry(_ value: JSONValue, failure: (String) -> FormatError) throws -> Entry {
        guard case .object(let members) = value, (2...3).contains(members.count) else {
            throw failure("expected form and shape, found others")
        }
        let fields = Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) })
        guard case .string(let name)? = fields["form"], let form = PackedTensor.Form(rawValue: name) else {
            let known = PackedTensor.Form.allCases.map(\.rawValue).joined(separator: ", ")
            throw failure("expected a form among \(known), found another")
        }
        guard let dimensions = fields["shape"]?.wholeNumbers, let count = Shape(dimensions).checkedCount,
            (1...Int(UInt32.max)).contains(count)
        else {
            throw failure("expected a shape of 1 to \(UInt32.max) elements, found another")
        }
        guard members.count == 3 else { return Entry(form: form, shape: Shape(dimensions)) }
        guard case .string(let digest)? = fields["sha256"] else { throw failure("expected a sha256, found none") }
        return Entry(form: form, shape: Shape(dimensions), digest: digest)
    }

    /// As metadata has it.
    var text: String {
        let members = entries.sorted { $0.key < $1.key }.map { name, entry in
            let shape = entry.shape.dimensions.map(String.init).joined(separator: ",")
            return "\(JSONText.quoted(name)):{\"form\":\"\(entry.form.rawValue)\",\"shape\":[\(shape)]}"
        }
        return "{\(members.joined(separator: ","))}"
    }
}
