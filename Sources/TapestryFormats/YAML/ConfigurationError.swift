/// A configuration file that cannot be read as one: which file and line, and what was expected there.
public struct ConfigurationError: Error, Equatable, Sendable {
    public let file: String
    /// Counted from 1; nil where no single line is wrong.
    public let line: Int?
    public let reason: String

    public init(file: String, line: Int?, reason: String) {
        self.file = file
        self.line = line
        self.reason = reason
    }
}

extension ConfigurationError: CustomStringConvertible {
    public var description: String { line.map { "\(file):\($0): \(reason)" } ?? "\(file): \(reason)" }
}
