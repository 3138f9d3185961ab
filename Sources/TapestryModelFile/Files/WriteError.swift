import Glibc

/// A file that could not be written; what was at its path before is untouched.
public struct WriteError: Error, Equatable, Sendable {
    public let path: String
    /// The system's error number.
    public let code: Int32
    /// What was being done: "create", "write", "rename".
    public let operation: String

    public init(path: String, code: Int32, operation: String) {
        self.path = path
        self.code = code
        self.operation = operation
    }

    /// Whether space, not permission or a path, is what lacks: the disk or the quota is full.
    public var isDiskFull: Bool { code == ENOSPC || code == EDQUOT }
}

extension WriteError: CustomStringConvertible {
    public var description: String { "\(path): cannot \(operation): \(String(cString: strerror(code)))" }
}
