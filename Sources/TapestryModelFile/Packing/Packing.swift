/// How weights that are mostly zeros, or are ternary, are packed when a file is written. What was packed is read as it was,
/// to the bit, by whatever reads safetensors files here.
public enum Packing: String, CaseIterable, Sendable {
    /// A bit a weight says whether it is zero; then a bit for each sign, or the values that are not zero.
    case ternary
    /// The same bits by an adaptive arithmetic coder.
    case entropy
}

/// What a packed tensor takes in its file.
public struct PackedSize: Equatable, Sendable {
    /// As the file calls it: "ternary", "ternary-coded", "sparse", "sparse-coded".
    public let form: String
    /// In the file; its entries in the header are not counted.
    public let byteCount: Int
}

/// A tensor of 32-bit floating-point numbers in fewer bytes than those of its elements, which lie in a safetensors file as
/// a U8 tensor under its own name. Little-endian; n elements, of which z are not zero:
///
/// | form | bytes |
/// |---|---|
/// | `ternary` | the negative and the positive value as 32-bit floating-point numbers, zero for one that no element has; n bits, set where the element is not zero; z bits, set where such an element is negative |
/// | `ternary-coded` | the two values; the code |
/// | `sparse` | n bits, set where the element is not zero; the z values |
/// | `sparse-coded` | z in 32 bits; the z values; the code, of the n bits |
///
/// Bits begin with a byte's lowest; the last byte's others are zero. A code is a byte with the number of its
/// `SymbolModel`, and what `RangeEncoder` made of the bits.
///
/// Zero is +0.0 alone: -0.0 is a value like any other, so that unpacking gives the same bits.
package struct PackedTensor: Equatable {
    package enum Form: String, CaseIterable, Sendable {
        case ternary
        case ternaryCoded = "ternary-coded"
        case sparse
        case sparseCoded = "sparse-coded"

        package var isTernary: Bool { self == .ternary || self == .ternaryCoded }
        package var isCoded: Bool { self == .ternaryCoded || self == .sparseCoded }
    }

    package let form: Form
    package let bytes: [UInt8]

    var size: PackedSize { PackedSize(form: form.rawValue, byteCount: bytes.count) }
}

/// How much more packed tensors may become when they are unpacked: each byte a thousand, and some for the whole file, so
/// that layers without a weight can be packed too. Writers and readers keep the same account, tensor by tensor.
struct ExpansionBudget {
    private var left = 8 << 20
    private static let ratio = 1024

    /// Whether a tensor of so many bytes may be packed in so few; if so, it is on the account.
    mutating func admits(_ byteCount: Int, packedIn packed: Int) -> Bool {
        let (free, isHuge) = packed.multipliedReportingOverflow(by: Self.ratio)
        let excess = isHuge ? 0 : max(0, byteCount - free)
        guard excess <= left else { return false }
        left -= excess
        return true
    }
}
