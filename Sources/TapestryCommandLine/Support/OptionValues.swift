import ArgumentParser
import TapestryCore
import TapestryRecipes
import TapestryRuntime

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

extension Device {
    package var isProcessor: Bool { self == .cpu }
}

extension Device: ExpressibleByArgument {
    public init?(argument: String) { self.init(parsing: argument) }

    public var defaultValueDescription: String { description }

    /// For help and completions.
    public static var allValueStrings: [String] { ["cpu", "cuda", "cuda:1"] }
}

extension RunConfiguration.Precision: ExpressibleByArgument {}
extension TrainingEngine: ExpressibleByArgument {}

extension Recipes {
    /// A line for each: its name, the networks whose own it is, and what it holds.
    static let listing = named.map { "\($0.name) (\($0.networks.joined(separator: " "))): \($0.summary)" }
        .joined(separator: "\n")
}

extension RunConfiguration.Precision {
    /// Of Tapestry's kernels for CPUs, which `check` keeps TF32 from.
    var native: NativePrecision { self == .bf16 ? .bf16 : .fp32 }

    /// Throws: `ValidationError` for TF32 where `device` is no GPU.
    func check(on device: Device?) throws {
        guard self != .tf32 || device?.isProcessor == false else {
            throw ValidationError("--precision tf32 is for --device cuda; CPUs compute in fp32 or bf16")
        }
    }
}

/// One `--set key=value`.
package struct Setting: Hashable, ExpressibleByArgument, Sendable {
    package let key: String
    package let value: String

    package init?(argument: String) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty else { return nil }
        (key, value) = (parts[0], parts[1])
    }

    package var defaultValueDescription: String { "\(key)=\(value)" }
}
