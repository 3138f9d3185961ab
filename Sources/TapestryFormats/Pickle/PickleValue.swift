/// What a pickle holds, inert: a call that it asks for is kept as a call (`PickleObject`), and a name stays a name.
enum PickleValue {
    case none
    case boolean(Bool)
    case integer(Int)
    /// Of more than 64 bits: little-endian, in two's complement.
    case wideInteger(PickleBytes)
    case float(Double)
    /// Python 2's strings, python 3's bytes.
    case bytes(PickleBytes)
    /// Valid UTF-8.
    case text(PickleBytes)
    case tuple(PickleSequence)
    case list(PickleSequence)
    case set(PickleSequence)
    case dictionary(PickleDictionary)
    case global(PickleGlobal)
    case object(PickleObject)
    /// What the pickle leaves to its reader by an identifier.
    case external(PickleSequence)
}

/// Bytes of the pickle itself, shared and not copied.
final class PickleBytes {
    let bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }
}

/// The name of a function or a class, which is never looked up.
final class PickleGlobal {
    let module: String
    let name: String

    init(module: String, name: String) {
        self.module = module
        self.name = name
    }
}

/// What holds other values. Once something holds it in turn it is sealed and changes no more: so no value ever holds itself,
/// and its depth is known when it is made.
class PickleContainer {
    /// Levels of containers, itself included.
    fileprivate(set) var depth = 1
    fileprivate(set) var isSealed = false

    fileprivate func hold(_ value: PickleValue) {
        guard let container = value.container else { return }
        container.isSealed = true
        depth = max(depth, container.depth + 1)
    }
}

final class PickleSequence: PickleContainer {
    private(set) var values: [PickleValue] = []

    init(_ values: [PickleValue] = []) {
        super.init()
        append(values)
    }

    func append(_ values: [PickleValue]) {
        values.forEach(hold)
        // An array that is given whole is taken, not copied.
        if self.values.isEmpty { self.values = values } else { self.values += values }
    }
}

final class PickleDictionary: PickleContainer {
    private(set) var pairs: [(key: PickleValue, value: PickleValue)] = []

    func append(key: PickleValue, value: PickleValue) {
        hold(key)
        hold(value)
        pairs.append((key, value))
    }

    /// The last value under `key`, as python has it.
    subscript(key: String) -> PickleValue? { pairs.last { $0.key.isText(key) }?.value }
}

/// A call that was not made, and what was then given to its result.
final class PickleObject: PickleContainer {
    /// A global, or something external that stands for one.
    let callee: PickleValue
    let arguments: PickleSequence
    private(set) var state: PickleValue?
    /// The entries given to a dictionary that the call would have made.
    let entries = PickleDictionary()
    /// Where in the file the call was asked for.
    let offset: Int

    init(callee: PickleValue, arguments: PickleSequence, offset: Int) {
        self.callee = callee
        self.arguments = arguments
        self.offset = offset
        super.init()
        hold(callee)
        hold(.tuple(arguments))
    }

    /// Precondition: it has no state yet.
    func setState(_ state: PickleValue) {
        precondition(self.state == nil)
        hold(state)
        self.state = state
    }

    func append(key: PickleValue, value: PickleValue) {
        hold(key)
        hold(value)
        entries.append(key: key, value: value)
    }
}

extension PickleValue {
    fileprivate var container: PickleContainer? {
        switch self {
        case .tuple(let values), .list(let values), .set(let values), .external(let values): values
        case .dictionary(let dictionary): dictionary
        case .object(let object): object
        case .none, .boolean, .integer, .wideInteger, .float, .bytes, .text, .global: nil
        }
    }

    /// Levels of containers, 0 for a value that is none.
    var depth: Int { container?.depth ?? 0 }

    /// Whether something holds it already.
    var isSealed: Bool { container?.isSealed ?? false }

    /// Whether it stands for something that could be called.
    var isCallable: Bool {
        switch self {
        case .global, .external: true
        default: false
        }
    }

    /// Whether both are one container.
    func isSame(as other: PickleValue) -> Bool { container.map { $0 === other.container } ?? false }
}

extension PickleValue: CustomStringConvertible {
    var description: String {
        switch self {
        case .none: "None"
        case .boolean(let value): value ? "True" : "False"
        case .integer(let value): String(value)
        case .wideInteger: "an integer of more than 64 bits"
        case .float(let value): String(value)
        case .bytes(let bytes): "\(bytes.bytes.count) bytes"
        case .text: "a string"
        case .tuple: "a tuple"
        case .list: "a list"
        case .set: "a set"
        case .dictionary: "a dictionary"
        case .global(let global): "\(global.module).\(global.name)"
        case .object(let object): object.calleeName.map { "an object of \($0)" } ?? "an object"
        case .external: "a reference to something outside the pickle"
        }
    }
}

extension PickleObject {
    /// The dotted name of what would have been called, if it is named outright.
    var calleeName: String? {
        if case .global(let global) = callee { "\(global.module).\(global.name)" } else { nil }
    }
}
