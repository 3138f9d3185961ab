import CTapestrySHA256
import TapestryModelFile
import Testing

@Suite("SHA-256") struct SHA256Tests {
    /// The examples of FIPS 180-4's companion, and a million times the letter a.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
        (
            String(repeating: "a", count: 1_000_000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        ),
    ])
    func publishedExamples(text: String, digest: String) {
        #expect(SHA256.hex(of: Array(text.utf8)) == digest)
    }

    /// Every way in which a text can end in its last blocks, with and without the processor's instructions.
    @Test func everyLengthIsTheSameWithoutInstructionsForIt() {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 167) }
        for count in bytes.indices {
            var (digest, portable) = ([UInt8](repeating: 0, count: 32), [UInt8](repeating: 0, count: 32))
            tapestry_sha256(bytes, count, &digest)
            tapestry_sha256_portable(bytes, count, &portable)
            #expect(digest == portable, "\(count) bytes")
        }
    }
}
