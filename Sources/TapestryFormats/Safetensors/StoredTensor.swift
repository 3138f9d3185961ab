import TapestryCore

/// The element types of a safetensors file that are read; the last three only widen to `float32`.
package enum StoredType: String, CaseIterable, Sendable {
    case float32 = "F32"
    case int64 = "I64"
    case int32 = "I32"
    case uint8 = "U8"
    case float64 = "F64"
    case float16 = "F16"
    case bfloat16 = "BF16"

    package var byteCount: Int {
        switch self {
        case .int64, .float64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        case .uint8: 1
        }
    }
}

/// A tensor as a file keeps it.
public enum StoredTensor: Equatable, Sendable {
    case float32(Tensor<Float>)
    case int64(Tensor<Int64>)
    case int32(Tensor<Int32>)
    case uint8(Tensor<UInt8>)

    public var shape: Shape {
        switch self {
        case .float32(let tensor): tensor.shape
        case .int64(let tensor): tensor.shape
        case .int32(let tensor): tensor.shape
        case .uint8(let tensor): tensor.shape
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
        case .uint8: .uint8
        }
    }

    package var byteCount: Int { shape.count * type.byteCount }

    /// The elements' bytes, as they lie in memory (which on every supported machine is the files' little-endian order).
    package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        switch self {
        case .float32(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .int64(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .int32(let tensor): try tensor.elements.withUnsafeBytes(body)
        case .uint8(let tensor): try tensor.elements.withUnsafeBytes(body)
        }
    }
}
