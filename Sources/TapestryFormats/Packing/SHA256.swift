import Ccrypto

/// The digest that tells unpacked weights from others.
enum SHA256 {
    /// Of the elements' bytes as they lie in memory, in hexadecimal digits.
    static func hex<Element: BitwiseCopyable>(of elements: [Element]) -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        let status = elements.withUnsafeBytes {
            EVP_Digest($0.baseAddress, $0.count, &digest, &count, EVP_sha256(), nil)
        }
        precondition(status == 1, "libcrypto has no SHA-256")
        return digest.prefix(Int(count)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
