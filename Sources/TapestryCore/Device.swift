/// Where a tensor's memory is, and its operators run.
public enum Device: Hashable, Sendable {
    case cpu
    case cuda(Int)

    /// Reads "cpu", "cuda" (its device 0) or "cuda:3"; nil for anything else.
    public init?(parsing text: String) {
        switch text {
        case "cpu": self = .cpu
        case "cuda": self = .cuda(0)
        default:
            let prefix = "cuda:"
            guard text.hasPrefix(prefix), let index = Int8(text.dropFirst(prefix.count)), index >= 0 else { return nil }
            self = .cuda(Int(index))
        }
    }
}

extension Device: CustomStringConvertible {
    /// As `init(parsing:)` reads it, and libtorch too.
    public var description: String {
        switch self {
        case .cpu: "cpu"
        case .cuda(let index): "cuda:\(index)"
        }
    }
}
