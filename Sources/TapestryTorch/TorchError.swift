import CTapestryTorch

/// What libtorch, or the shim in front of it, refused to do.
public struct TorchError: Error, Equatable, Sendable {
    /// The operator or the function that failed: "aten::convolution".
    public let operation: String
    /// Why, in one line, without libtorch's stack trace.
    public let message: String
    let reason: Reason

    enum Reason {
        case refused, peerLost
    }

    /// `text` may be an exception's whole text: from it are kept the lines before the stack trace, joined.
    public init(operation: String, message text: String) { self.init(operation: operation, message: text, .refused) }

    init(operation: String, message text: String, _ reason: Reason) {
        self.operation = operation
        self.message = Self.oneLine(text)
        self.reason = reason
    }

    /// Some of libtorch's messages list every device it was ever built for.
    private static let longest = 500

    private static func oneLine(_ text: String) -> String {
        let lines = text.split(whereSeparator: \.isNewline)
            .prefix { !$0.hasPrefix("Exception raised from") && !$0.hasPrefix("C++ CapturedTraceback") }
        var words = lines.joined(separator: " ").split(separator: " ").joined(separator: " ")
        // Gloo begins with the place in its sources.
        if words.hasPrefix("["), let end = words.firstIndex(of: "]") {
            words = String(words[words.index(after: end)...].drop { $0 == " " })
        }
        // And ends with advice for those who have its logs.
        if let advice = words.firstRange(of: ". This is typically caused by") {
            words = String(words[..<advice.lowerBound])
        }
        return words.count > longest ? words.prefix(longest) + "…" : words
    }
}

extension TorchError: CustomStringConvertible {
    public var description: String { "\(operation): \(message)" }
}

/// Throws what the thread's latest call says about itself. Call it before anything else calls the shim.
func check(_ status: TapestryStatus, _ operation: @autoclosure () -> String) throws(TorchError) {
    guard status != TAPESTRY_OK else { return }
    let message = String(cString: tapestry_last_message())
    throw TorchError(operation: operation(), message: message, status == TAPESTRY_PEER_LOST ? .peerLost : .refused)
}
