import CTapestrySHA256

/// The digest that tells unpacked weights from others.
package enum SHA256 {
    /// Of the elements' bytes as they lie in memory, in hexadecimal digits.
    package static func hex<Element: BitwiseCopyable>(of elements: [Element]) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        elements.withUnsafeBytes { tapestry_sha256($0.baseAddress, $0.count, &digest) }
        return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
