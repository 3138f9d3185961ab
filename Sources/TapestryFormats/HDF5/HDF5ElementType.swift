/// The type of a dataset's elements in the file.
///
/// Source: HDF5 File Format Specification, section IV.A.2.d (the datatype message).
struct HDF5ElementType: Equatable {
    /// Their names are those of safetensors.
    enum Number: String {
        case float16 = "F16"
        case bfloat16 = "BF16"
        case float32 = "F32"
        case float64 = "F64"
        case int8 = "I8"
        case int16 = "I16"
        case int32 = "I32"
        case int64 = "I64"
        case uint8 = "U8"
        case uint16 = "U16"
        case uint32 = "U32"
        case uint64 = "U64"
    }

    let number: Number
    let isBigEndian: Bool

    var byteCount: Int {
        switch number {
        case .int8, .uint8: 1
        case .float16, .bfloat16, .int16, .uint16: 2
        case .float32, .int32, .uint32: 4
        case .float64, .int64, .uint64: 8
        }
    }

    /// Throws: `FormatError` for every type that is not a plain number.
    init(_ message: ByteReader) throws {
        var reader = message
        let classAndVersion = try reader.byte(for: "a datatype")
        guard (1...5).contains(classAndVersion >> 4) else {
            throw reader.error("expected a datatype of version 1 to 5, found \(classAndVersion >> 4)", at: 0)
        }
        let flags = try reader.integer(3, for: "a datatype")
        let size = try reader.integer(4, for: "a datatype's size")
        switch classAndVersion & 15 {
        case 0:
            number = try Self.integer(&reader, flags, size)
            isBigEndian = flags & 1 != 0
        case 1:
            number = try Self.floatingPoint(&reader, flags, size)
            isBigEndian = flags & 1 != 0
        case let other:
            let name = Int(other) < Self.refused.count ? Self.refused[Int(other)] : "type \(other)"
            throw reader.error("expected integers or floating-point numbers, found \(name)", at: 0)
        }
    }

    /// What is refused, by the number of its class.
    private static let refused = [
        "", "", "times", "strings", "bit fields", "opaque values", "compound values", "references",
        "enumerated values (Python writes booleans so)", "values of variable length", "arrays", "complex numbers",
    ]

    private static func integer(_ reader: inout ByteReader, _ flags: Int, _ size: Int) throws -> Number {
        let offset = try reader.integer(2, for: "an integer's place")
        let precision = try reader.integer(2, for: "an integer's precision")
        guard offset == 0, precision == 8 * size else {
            throw reader.error("expected integers that fill their \(size) bytes, found \(precision) bits", at: 0)
        }
        switch (size, flags & 8 != 0) {
        case (1, true): return .int8
        case (2, true): return .int16
        case (4, true): return .int32
        case (8, true): return .int64
        case (1, false): return .uint8
        case (2, false): return .uint16
        case (4, false): return .uint32
        case (8, false): return .uint64
        default: throw reader.error("expected integers of 1, 2, 4 or 8 bytes, found \(size)", at: 0)
        }
    }

    private static func floatingPoint(_ reader: inout ByteReader, _ flags: Int, _ size: Int) throws -> Number {
        let offset = try reader.integer(2, for: "a number's place")
        let precision = try reader.integer(2, for: "a number's precision")
        let fields = reader.bytes[try reader.take(4, for: "a number's fields")].map { Int($0) }
        let bias = try reader.integer(4, for: "an exponent's bias")
        // Byte order in bits 0 and 6, the implied leading bit in bits 4 and 5, the sign's place from bit 8 on.
        let isPlain =
            offset == 0 && precision == 8 * size && flags & 0x40 == 0 && flags >> 4 & 3 == 2
            && flags >> 8 & 255 == precision - 1
        // The exponent's place and size, the mantissa's, and the bias.
        switch isPlain ? (fields + [bias]) : [] {
        case [10, 5, 0, 10, 15]: return .float16
        case [7, 8, 0, 7, 127]: return .bfloat16
        case [23, 8, 0, 23, 127]: return .float32
        case [52, 11, 0, 52, 1023]: return .float64
        default:
            throw reader.error(
                "expected IEEE 754 numbers of 2, 4 or 8 bytes or bfloat16, found others of \(size) bytes", at: 0)
        }
    }
}
