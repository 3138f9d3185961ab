/// What a pickle of the CIFAR files can hold; nothing else is ever made from one.
enum PickleValue {
    case none
    case boolean(Bool)
    case integer(Int)
    case bytes([UInt8])
    case string(String)
    case tuple([PickleValue])
    case list([PickleValue])
    case dictionary([String: PickleValue])
    /// A numpy array of unsigned bytes, row-major.
    case array(shape: [Int], bytes: [UInt8])

    // Intermediate results on the way to an array.
    case global(Global)
    case emptyArray
    case unsignedByteType

    /// The only names a pickle may refer to.
    enum Global {
        case reconstruct
        case arrayClass
        case typeClass
        case encode

        init?(module: String, name: String) {
            switch (module, name) {
            case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"):
                self = .reconstruct
            case ("numpy", "ndarray"): self = .arrayClass
            case ("numpy", "dtype"): self = .typeClass
            case ("_codecs", "encode"): self = .encode
            default: return nil
            }
        }
    }

    /// A python 2 or 3 string as text; nil for anything else and for bytes that are not UTF-8.
    var text: String? {
        switch self {
        case .string(let string): string
        case .bytes(let bytes): String(validating: bytes, as: UTF8.self)
        default: nil
        }
    }

    /// Whether a memo may give it again: strings and types, not containers.
    var isShareable: Bool {
        switch self {
        case .list, .dictionary, .tuple, .array, .emptyArray: false
        default: true
        }
    }

    /// Levels of containers, itself included.
    var depth: Int {
        switch self {
        case .tuple(let values), .list(let values): 1 + (values.lazy.map(\.depth).max() ?? 0)
        case .dictionary(let entries): 1 + (entries.values.lazy.map(\.depth).max() ?? 0)
        default: 0
        }
    }
}

extension PickleValue: CustomStringConvertible {
    var description: String {
        switch self {
        case .none: "None"
        case .boolean(let value): value ? "True" : "False"
        case .integer(let value): String(value)
        case .bytes(let bytes): "\(bytes.count) bytes"
        case .string: "a string"
        case .tuple: "a tuple"
        case .list: "a list"
        case .dictionary: "a dictionary"
        case .array, .emptyArray: "an array"
        case .global, .unsignedByteType: "a type or function"
        }
    }
}
