import ArgumentParser

/// Readers of option values that refuse, with the reason, what no command could use.
enum Positive {
    static func integer(_ text: String) throws -> Int {
        guard let value = Int(text), value >= 1 else { throw ValidationError("must be a whole number of at least 1") }
        return value
    }

    static func number(_ text: String) throws -> Double {
        guard let value = Double(text), value > 0, value.isFinite else {
            throw ValidationError("must be a number above 0")
        }
        return value
    }
}

/// Where tensors live: `cpu`, `cuda` or `cuda:1`.
enum DeviceName: Hashable, Sendable, ExpressibleByArgument {
    case cpu
    case cuda(index: Int)

    init?(argument: String) {
        if argument == "cpu" {
            self = .cpu
        } else if argument == "cuda" {
            self = .cuda(index: 0)
        } else if argument.hasPrefix("cuda:"), let index = Int(argument.dropFirst(5)), (0..<1024).contains(index) {
            self = .cuda(index: index)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        switch self {
        case .cpu: "cpu"
        case .cuda(let index): "cuda:\(index)"
        }
    }

    static let allValueStrings = ["cpu", "cuda", "cuda:1"]
}

/// What training and evaluation compute in.
enum Precision: String, CaseIterable, ExpressibleByArgument, Sendable {
    case fp32
    case bf16
}

/// Which of Tapestry's executors runs a network.
enum Engine: String, CaseIterable, ExpressibleByArgument, Sendable {
    case native
    case torch
}

/// One `--set key=value`.
struct Setting: Hashable, ExpressibleByArgument, Sendable {
    let key: String
    let value: String

    init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty else { return nil }
        (key, value) = (parts[0], parts[1])
    }

    var defaultValueDescription: String { "\(key)=\(value)" }
}
