import CTapestryTorch
import TapestryCore

/// An argument of an operator, turned into what the operator's schema asks for: an integer serves as a scalar or a
/// double too, integers as booleans, and a device as its name.
public enum TorchValue {
    /// The schema's default.
    case omitted
    /// No value, where one is optional; nil says the same.
    case none
    case tensor(TorchTensor)
    case integer(Int)
    case real(Double)
    case boolean(Bool)
    case string(String)
    case dataType(DataType)
    case memoryFormat(MemoryFormat)
    case device(Device)
    case integers([Int])
    case reals([Double])
    case booleans([Bool])
    case tensors([TorchTensor])

    /// The tensor, or none.
    public static func optional(_ tensor: TorchTensor?) -> TorchValue { tensor.map(TorchValue.tensor) ?? .none }

    /// The element type, or none.
    public static func optional(_ dataType: DataType?) -> TorchValue { dataType.map(TorchValue.dataType) ?? .none }
}

extension TorchValue: ExpressibleByNilLiteral {
    public init(nilLiteral: ()) { self = .none }
}

extension TorchValue: ExpressibleByIntegerLiteral {
    public init(integerLiteral value: Int) { self = .integer(value) }
}

extension TorchValue: ExpressibleByFloatLiteral {
    public init(floatLiteral value: Double) { self = .real(value) }
}

extension TorchValue: ExpressibleByBooleanLiteral {
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
}

extension TorchValue: ExpressibleByStringLiteral {
    public init(stringLiteral value: String) { self = .string(value) }
}

extension TorchValue: ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: Int...) { self = .integers(elements) }
}

/// Arguments as the shim takes them: one struct each, whose lists and texts lie one after another in a few arrays, so
/// that a call allocates a handful of times however many arguments it has.
struct PackedArguments {
    private var arguments: [TapestryArgument] = []
    private var integers: [Int64] = []
    private var reals: [Double] = []
    private var tensors: [OpaquePointer] = []
    private var characters: [UInt8] = []

    init(_ values: [TorchValue]) {
        arguments.reserveCapacity(values.count)
        for value in values { append(value) }
    }

    /// Precondition: the tensors among the values outlive the call.
    mutating func withArguments(_ body: (UnsafeBufferPointer<TapestryArgument>) -> TapestryStatus) -> TapestryStatus {
        integers.withUnsafeBufferPointer { integers in
            reals.withUnsafeBufferPointer { reals in
                tensors.withUnsafeBufferPointer { tensors in
                    characters.withUnsafeBufferPointer { characters in
                        for index in arguments.indices {
                            // Until now, of an argument with a list, `integer` is the place where that begins.
                            let start = Int(arguments[index].integer)
                            switch arguments[index].kind {
                            case TAPESTRY_INTEGERS: arguments[index].pointer = Self.address(integers, start)
                            case TAPESTRY_REALS: arguments[index].pointer = Self.address(reals, start)
                            case TAPESTRY_TENSORS: arguments[index].pointer = Self.address(tensors, start)
                            case TAPESTRY_STRING: arguments[index].pointer = Self.address(characters, start)
                            default: break
                            }
                        }
                        return arguments.withUnsafeBufferPointer(body)
                    }
                }
            }
        }
    }

    private static func address<Element>(_ buffer: UnsafeBufferPointer<Element>, _ start: Int) -> UnsafeRawPointer? {
        buffer.baseAddress.map { UnsafeRawPointer($0 + start) }
    }

    private mutating func append(_ value: TorchValue) {
        switch value {
        case .omitted: add(TAPESTRY_OMITTED)
        case .none: add(TAPESTRY_NONE)
        case .tensor(let tensor): add(TAPESTRY_TENSOR, pointer: UnsafeRawPointer(tensor.handle))
        case .integer(let integer): add(TAPESTRY_INTEGER, integer: Int64(integer))
        case .real(let real): add(TAPESTRY_REAL, real: real)
        case .boolean(let boolean): add(TAPESTRY_BOOLEAN, integer: boolean ? 1 : 0)
        case .string(let string): add(string)
        case .dataType(let type): add(TAPESTRY_DATA_TYPE, integer: Int64(type.code.rawValue))
        case .memoryFormat(let format): add(TAPESTRY_MEMORY_FORMAT, integer: Int64(format.code.rawValue))
        case .device(let device): add(device.description)
        case .integers(let list):
            add(TAPESTRY_INTEGERS, integer: Int64(integers.count), count: list.count)
            for element in list { integers.append(Int64(element)) }
        case .reals(let list):
            add(TAPESTRY_REALS, integer: Int64(reals.count), count: list.count)
            reals += list
        case .booleans(let list):
            add(TAPESTRY_INTEGERS, integer: Int64(integers.count), count: list.count)
            for element in list { integers.append(element ? 1 : 0) }
        case .tensors(let list):
            add(TAPESTRY_TENSORS, integer: Int64(tensors.count), count: list.count)
            for element in list { tensors.append(element.handle) }
        }
    }

    private mutating func add(_ text: String) {
        add(TAPESTRY_STRING, integer: Int64(characters.count), count: text.utf8.count)
        characters += text.utf8
    }

    private mutating func add(
        _ kind: TapestryArgumentKind, integer: Int64 = 0, real: Double = 0, pointer: UnsafeRawPointer? = nil,
        count: Int = 0
    ) {
        arguments.append(
            TapestryArgument(kind: kind, integer: integer, real: real, pointer: pointer, count: Int64(count)))
    }
}
