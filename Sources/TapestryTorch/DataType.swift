import CTapestryTorch

/// The type of a tensor's elements.
public enum DataType: Hashable, Sendable, CaseIterable {
    case float32, float64, float16, bfloat16, int64, int32, uint8, bool
    /// A type that libtorch has and Tapestry has no use for; refused wherever a type is asked for.
    case other

    public var isFloatingPoint: Bool {
        switch self {
        case .float32, .float64, .float16, .bfloat16: true
        case .int64, .int32, .uint8, .bool, .other: false
        }
    }

    var code: TapestryDataType {
        switch self {
        case .float32: TAPESTRY_FLOAT32
        case .float64: TAPESTRY_FLOAT64
        case .float16: TAPESTRY_FLOAT16
        case .bfloat16: TAPESTRY_BFLOAT16
        case .int64: TAPESTRY_INT64
        case .int32: TAPESTRY_INT32
        case .uint8: TAPESTRY_UINT8
        case .bool: TAPESTRY_BOOL
        case .other: TAPESTRY_OTHER_TYPE
        }
    }

    init(_ code: TapestryDataType) {
        self = Self.allCases.first { $0.code == code } ?? .other
    }
}

/// How a tensor of shape NCHW lies in memory.
public enum MemoryFormat: Hashable, Sendable {
    /// Row-major: NCHW.
    case contiguous
    /// As the tensor it is made from.
    case preserve
    /// NHWC, rank 4 only: what most fast convolution kernels want.
    case channelsLast

    var code: TapestryMemoryFormat {
        switch self {
        case .contiguous: TAPESTRY_CONTIGUOUS
        case .preserve: TAPESTRY_PRESERVE
        case .channelsLast: TAPESTRY_CHANNELS_LAST
        }
    }
}

/// An element type of Swift whose values libtorch has as they are.
public protocol TorchHostScalar: BitwiseCopyable, Sendable {
    static var dataType: DataType { get }
}

extension Float: TorchHostScalar { public static var dataType: DataType { .float32 } }
extension Double: TorchHostScalar { public static var dataType: DataType { .float64 } }
extension Int64: TorchHostScalar { public static var dataType: DataType { .int64 } }
extension Int32: TorchHostScalar { public static var dataType: DataType { .int32 } }
extension UInt8: TorchHostScalar { public static var dataType: DataType { .uint8 } }
extension Bool: TorchHostScalar { public static var dataType: DataType { .bool } }
