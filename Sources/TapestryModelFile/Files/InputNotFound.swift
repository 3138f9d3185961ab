/// An input that is not there or cannot be opened, as distinct from one whose bytes are wrong (`FormatError`).
public struct InputNotFound: Error, Equatable, Sendable {
    public let path: String
    /// What is missing and what to do about it: "no such file", "expected data_batch_1.bin … in the directory".
    public let remedy: String

    public init(path: String, remedy: String) {
        self.path = path
        self.remedy = remedy
    }
}

extension InputNotFound: CustomStringConvertible {
    public var description: String { "\(path): \(remedy)" }
}
