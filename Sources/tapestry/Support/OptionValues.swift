import ArgumentParser
import TapestryRuntime

#if TAPESTRY_TORCH
import TapestryTorch
import TapestryTraining
#endif

/// Readers of option values that refuse, with the reason, what no command could use.
enum Positive {
    static func integer(_ text: String) throws -> Int { try integer(text, in: 1...1_000_000) }

    /// Of images: some data sets have more than a million.
    static func imageCount(_ text: String) throws -> Int { try integer(text, in: 1...1_000_000_000) }

    /// Of threads, classes, channels and an image's side: what a run's record admits.
    static func extent(_ text: String) throws -> Int { try integer(text, in: 1...65_536) }

    /// Of a number in a register.
    static func bits(_ text: String) throws -> Int { try integer(text, in: 1...64) }

    private static func integer(_ text: String, in range: ClosedRange<Int>) throws -> Int {
        guard let value = Int(text), range.contains(value) else {
            throw ValidationError(
                "must be a whole number from \(range.lowerBound) to \(range.upperBound.grouped)")
        }
        return value
    }

    static func percentage(_ text: String) throws -> Double {
        guard let value = Double(text), value > 0, value <= 100 else {
            throw ValidationError("must be a number above 0 and at most 100")
        }
        return value
    }

    static func number(_ text: String) throws -> Double {
        guard let value = Double(text), value > 0, value.isFinite else {
            throw ValidationError("must be a number above 0")
        }
        return value
    }
}

/// Readers of numbers that may be zero.
enum Whole {
    static func number(_ text: String) throws -> Int {
        guard let value = Int(text), (0...1_000_000).contains(value) else {
            throw ValidationError("must be a whole number from 0 to 1,000,000")
        }
        return value
    }
}

#if TAPESTRY_TORCH
typealias DeviceName = Device
typealias Precision = RunConfiguration.Precision
typealias TrainingEngineName = TrainingEngine

extension Device {
    var isProcessor: Bool { self == .cpu }
}

extension Device: ExpressibleByArgument {
    public init?(argument: String) { self.init(parsing: argument) }

    public var defaultValueDescription: String { description }
    public static var allValueStrings: [String] { DeviceNames.suggested }
}

extension RunConfiguration.Precision: ExpressibleByArgument {}
extension TrainingEngine: ExpressibleByArgument {}

enum RecipeNames {
    static let all = Recipes.named.map(\.name)

    /// A line for each: its name, the networks whose own it is, and what it holds.
    static let discussion = Recipes.named.map { "\($0.name) (\($0.networks.joined(separator: " "))): \($0.summary)" }
        .joined(separator: "\n")
}
#else
/// Where tensors would live. Without libtorch nothing computes, and a name only needs to look like one.
struct DeviceName: ExpressibleByArgument {
    init?(argument: String) {
        guard argument == "cpu" || argument == "cuda" || argument.hasPrefix("cuda:") else { return nil }
        isProcessor = argument == "cpu"
    }

    let isProcessor: Bool

    static let allValueStrings = DeviceNames.suggested
}

/// What training and evaluation would compute in.
enum Precision: String, CaseIterable, ExpressibleByArgument, Sendable {
    case fp32
    case tf32
    case bf16
}

/// What would compute while a network is trained.
enum TrainingEngineName: String, CaseIterable, ExpressibleByArgument, Sendable {
    case automatic = "auto"
    case native
    case torch
}

/// Recipes are a part of training, and of builds with libtorch.
enum RecipeNames {
    static let all: [String] = []
    static let discussion = ""
}
#endif

extension Precision {
    /// Of Tapestry's kernels for CPUs, which `check` keeps TF32 from.
    var native: NativePrecision { self == .bf16 ? .bf16 : .fp32 }

    /// Throws: `ValidationError` for TF32 where `device` is no GPU.
    func check(on device: DeviceName?) throws {
        guard self != .tf32 || device?.isProcessor == false else {
            throw ValidationError("--precision tf32 is for --device cuda; CPUs compute in fp32 or bf16")
        }
    }
}

enum DeviceNames {
    /// For help and completions.
    static let suggested = ["cpu", "cuda", "cuda:1"]
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
