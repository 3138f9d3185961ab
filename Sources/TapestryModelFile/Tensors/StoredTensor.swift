import TapestryCore

/// A tensor as a file keeps it.
public enum StoredTensor: Equatable, Sendable {
    case float32(Tensor<Float>)
    case int64(Tensor<Int64>)
    case int32(Tensor<Int32>)
    case int16(Tensor<Int16>)
    case int8(Tensor<Int8>)
    case uint8(Tensor<UInt8>)
    case bool(Tensor<Bool>)

    public var shape: Shape {
        switch self {
        case .float32(let tensor): tensor.shape
        case .int64(let tensor): tensor.shape
        case .int32(let tensor): tensor.shape
        case .int16(let tensor): tensor.shape
        case .int8(let tensor): tensor.shape
        case .uint8(let tensor): tensor.shape
        case .bool(let tensor): tensor.shape
        }
    }

    /// The tensor if its elements are floating-point numbers.
    public var float32: Tensor<Float>? {
        if case .float32(let tensor) = self { tensor } else { nil }
    }

    /// The tensor if its elements are 64-bit integers.
    public var int64: Tensor<Int64>? {
        if case .int64(let tensor) = self { tensor } else { nil }
    }

    package var type: StoredType {
        switch self {
        case .float32: .float32
        case .int64: .int64
        case .int32: .int32
        case .int16: .int16
        case .int8: .int8
        case .uint8: .uint8
        case .bool: .bool
        }
    }

    package var byteCount: Int { shape.count * type.byteCount }

    /// The elements' bytes, as they lie in memory (which on every supported machine is the files' little-endian order).
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        switch self {
        case .float32(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .int64(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .int32(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .int16(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .int8(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .uint8(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .bool(let tensor): try tensor.elements.withUnsafeBytes(body)
        }
    }
}

/// A tensor and the name it has in its file.
public struct NamedTensor: Equatable, Sendable {
    public var name: String
    public var tensor: StoredTensor

    public init(name: String, tensor: StoredTensor) {
        self.name = name
        self.tensor = tensor
    }
}
