/// Bytes that are not what their format promises: which file, where in it, and what was expected there.
public struct FormatError: Error, Equatable, Sendable {
    public let file: String
    /// Byte offset in the file (in the decompressed stream, for a gzipped one); nil where no single place is wrong.
    public let offset: Int?
    /// What was expected and what was found, as a clause: "expected magic 0x00000803, found 0x00000000".
    public let reason: String

    public init(file: String, offset: Int? = nil, reason: String) {
        self.file = file
        self.offset = offset
        self.reason = reason
    }
}

extension FormatError: CustomStringConvertible {
    public var description: String {
        offset.map { "\(file): at byte \($0): \(reason)" } ?? "\(file): \(reason)"
    }
}
