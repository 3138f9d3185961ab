/// The element types of tensors in files that are read, by their names in safetensors; the last three only widen to
/// `float32`.
package enum StoredType: String, CaseIterable, Sendable {
    case float32 = "F32"
    case int64 = "I64"
    case int32 = "I32"
    case int16 = "I16"
    case int8 = "I8"
    case uint8 = "U8"
    case bool = "BOOL"
    case float64 = "F64"
    case float16 = "F16"
    case bfloat16 = "BF16"

    package var byteCount: Int {
        switch self {
        case .int64, .float64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16, .int16: 2
        case .uint8, .int8, .bool: 1
        }
    }

    /// Whether a `StoredTensor` has elements of this type.
    package var isStored: Bool {
        switch self {
        case .float64, .float16, .bfloat16: false
        case .float32, .int64, .int32, .int16, .int8, .uint8, .bool: true
        }
    }

    /// What an element takes in memory, once it is widened.
    package var memoryByteCount: Int {
        switch self {
        case .float64, .float16, .bfloat16: 4
        case .float32, .int64, .int32, .int16, .int8, .uint8, .bool: byteCount
        }
    }
}
