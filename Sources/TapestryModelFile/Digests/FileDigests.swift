import TapestryCore

/// What a safetensors file says about its own bytes, so that whatever changes in it is found and named when it is read: a
/// digest of the header and one of each tensor, each the first 16 digits of a SHA-256.
///
/// | metadata | value |
/// |---|---|
/// | `tapestry.header` | the digest of the header's bytes, with zeros in its own place, which is always the same: the header's beginning |
/// | `tapestry.digests` | those of the tensors' bytes, one behind the other in the order of the data |
///
/// Files of other programs, and those from before there were digests, have neither and are read unchecked. One without the
/// other is damage: so no single change makes a file one of those. Against purpose they are no protection, nor would longer
/// ones be in the same file; of damaged tensors one in 2^64 goes unnoticed.
package enum FileDigests {
    static let headerKey = "tapestry.header"
    static let tensorsKey = "tapestry.digests"
    static let keys: Set<String> = [headerKey, tensorsKey]

    private static let digitCount = 16
    private static let zeros = String(repeating: "0", count: digitCount)
    /// What every header begins with that has a digest.
    private static let opening = Array("{\"__metadata__\":{\"\(headerKey)\":\"".utf8)
    private static let place = opening.count..<opening.count + digitCount

    static func digest(of bytes: UnsafeRawBufferPointer) -> String { String(SHA256.hex(of: bytes).prefix(digitCount)) }
}

// MARK: - Writing

extension FileDigests {
    /// The members of the metadata of a file with those tensors: the header's first, which is zeros until
    /// `sealHeader(_:)`.
    static func members(for tensors: [NamedTensor]) -> [(key: String, value: String)] {
        [(headerKey, zeros), (tensorsKey, tensors.map { $0.tensor.withBytes(digest) }.joined())]
    }

    /// As many bytes as `members(for:)` has, without the tensors' being looked at.
    static func placeholders(for tensors: [NamedTensor]) -> [(key: String, value: String)] {
        [(headerKey, zeros), (tensorsKey, String(repeating: zeros, count: tensors.count))]
    }

    /// Puts the header's digest in its place, if it has one.
    package static func sealHeader(_ header: inout [UInt8]) {
        guard hasDigest(header) else { return }
        header.replaceSubrange(place, with: zeros.utf8)
        let digest = header.withUnsafeBytes(digest)
        header.replaceSubrange(place, with: digest.utf8)
    }

    private static func hasDigest(_ header: [UInt8]) -> Bool {
        header.count >= place.upperBound && header[..<opening.count].elementsEqual(opening)
    }
}

// MARK: - Reading

extension FileDigests {
    /// Checks the header's bytes, which begin at byte 8 of a file, where they have a digest.
    ///
    /// Throws: `FormatError`.
    static func checkHeader(_ header: [UInt8], file: String) throws {
        guard hasDigest(header) else { return }
        var sealed = header
        sealHeader(&sealed)
        guard sealed[place] == header[place] else {
            throw FormatError(
                file: file, offset: 8,
                reason: mismatch(
                    "bytes", String(decoding: header[place], as: UTF8.self),
                    String(decoding: sealed[place], as: UTF8.self)))
        }
    }

    /// The digests of so many tensors, in the order of the data; none in a file that has no digests.
    ///
    /// Throws: `FormatError` if it has only a part of them.
    static func tensorDigests(
        _ metadata: [String: String], count: Int, header: [UInt8], file: String
    ) throws -> [String]? {
        let isSealed = hasDigest(header)
        guard isSealed || metadata.keys.allSatisfy({ !keys.contains($0) }) else {
            throw FormatError(file: file, offset: 8, reason: "expected \"\(headerKey)\" at its beginning, found others")
        }
        guard isSealed else { return nil }
        let text = Array((metadata[tensorsKey] ?? "").utf8)
        let (needed, overflow) = digitCount.multipliedReportingOverflow(by: count)
        guard !overflow, text.count == needed, metadata[tensorsKey] != nil else {
            throw FormatError(
                file: file,
                reason: "expected \"\(tensorsKey)\" of \(digitCount) digits for each of \(count) tensors, found others")
        }
        return (0..<count).map { String(decoding: text[$0 * digitCount..<($0 + 1) * digitCount], as: UTF8.self) }
    }

    /// What to say of bytes that are not those whose digest was stored.
    static func mismatch(_ what: String, _ expected: String, _ found: String) -> String {
        "expected \(what) whose SHA-256 begins with \(expected), found \(found); the file is damaged, "
            + "or was changed and kept its metadata \"\(headerKey)\" and \"\(tensorsKey)\""
    }
}
