/// Widening 16-bit floating-point numbers, by bits: exact, and fast where the processor lacks the instructions.
package enum HalfPrecision {
    /// IEEE 754 binary16.
    package static func float(binary16 bits: UInt16) -> Float {
        let magnitude = UInt32(bits & 0x7FFF) << 13
        // Rebiasing the exponent by a multiplication also normalises the subnormal numbers.
        let scaled = (Float(bitPattern: magnitude) * 0x1p112).bitPattern
        let special: UInt32 = bits & 0x7C00 == 0x7C00 ? 0x7F80_0000 : 0
        return Float(bitPattern: scaled | special | UInt32(bits & 0x8000) << 16)
    }

    /// The upper half of a binary32.
    package static func float(bfloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
}
