import CTapestrySHA256

/// The one digest there is: what tells damaged bytes from sound ones, and things that were the same before from others.
package enum SHA256 {
    /// Of the bytes, in 64 hexadecimal digits.
    package static func hex(of bytes: UnsafeRawBufferPointer) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        tapestry_sha256(bytes.baseAddress, bytes.count, &digest)
        return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Of the elements' bytes as they lie in memory.
    package static func hex<Element: BitwiseCopyable>(of elements: [Element]) -> String {
        elements.withUnsafeBytes { hex(of: $0) }
    }
}
