import ArgumentParser
import TapestryCore
import TapestryRecipes
import TapestryRuntime

/// An engine as --engine names it: what it does not say is said by --precision and --device.
struct EngineName: Sendable {
    enum Executor: String, CaseIterable, Sendable {
        case native, torch, reference
    }

    let executor: Executor
    let precision: RunConfiguration.Precision?

    init(_ executor: Executor, precision: RunConfiguration.Precision? = nil) {
        (self.executor, self.precision) = (executor, precision)
    }

    /// Reads "native" or "native:bf16".
    init(_ text: String) throws {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, let executor = Executor(rawValue: parts[0]) else {
            throw ValidationError("expected native, torch or reference, the first two with or without :fp32 or :bf16")
        }
        self.init(executor, precision: parts.count == 2 ? RunConfiguration.Precision(rawValue: parts[1]) : nil)
        guard parts.count == 1 || precision != nil else {
            throw ValidationError("the precisions are fp32 and bf16, on GPUs also tf32")
        }
        guard parts.count == 1 || !isReference else {
            throw ValidationError("reference computes in double precision; leave out :\(parts[1])")
        }
        if executor == .native { try precision?.check(on: nil) }
    }

    var isReference: Bool { executor == .reference }
    var isTorch: Bool { executor == .torch }

    /// Reads engines separated by commas.
    static func list(_ text: String) throws -> [EngineName] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { try EngineName(String($0)) }
    }

    /// For the help of commands.
    static let discussion = """
        An engine is native (Tapestry's own kernels, on the deployed form of a network), torch (libtorch) or \
        reference (the interpreter in double precision that says what each operation means: slow, so that \
        --limit-test 100 is a good start). native:bf16 or torch:bf16 says the precision too.
        """
    static let completion = CompletionKind.list(
        Executor.allCases.flatMap { executor in
            [executor.rawValue]
                + (executor == .reference
                ? [] : RunConfiguration.Precision.allCases.filter { $0 != .tf32 || executor == .torch })
                .map { "\(executor.rawValue):\($0.rawValue)" }
        })
}

/// `--engine` for one, and what the others say of it.
struct EngineArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What runs the network; by default native, and torch on a GPU.",
            valueName: "native|torch|reference[:fp32|:bf16]"),
        completion: EngineName.completion, transform: EngineName.init)
    var engine: EngineName?

    @OptionGroup var computing: ComputingArguments

    /// Throws: as `ComputingArguments.engines`.
    func engine(for command: String) throws -> Engine {
        try computing.engines(engine.map { [$0] } ?? [], for: command)[0]
    }
}

extension ComputingArguments {
    /// The engines that `names` and the options name; without names, Tapestry's own kernels, or libtorch on a GPU.
    ///
    /// Throws: `CommandFailure` where an option is for none of them, or where `command` needs a libtorch that is not
    /// there; what libtorch throws where the device is not there.
    func engines(_ names: [EngineName], for command: String) throws -> [Engine] {
        let isOnProcessor = device?.isProcessor ?? true
        let names = names.isEmpty ? [EngineName(isOnProcessor ? .native : .torch)] : names
        guard isOnProcessor || names.contains(where: \.isTorch) else {
            throw CommandFailure(.usage, "--device is for --engine torch; other engines compute on the CPU")
        }
        guard precision == nil || names.contains(where: { $0.precision == nil && !$0.isReference }) else {
            throw CommandFailure(
                .usage,
                "--precision is for native and torch where --engine does not say theirs; reference computes in double "
                    + "precision")
        }
        return try names.map { try engine($0, for: command) }
    }

    private func engine(_ name: EngineName, for command: String) throws -> Engine {
        let precision = name.precision ?? precision ?? .fp32
        try precision.check(on: name.isTorch ? device : nil)
        switch name.executor {
        case .native: return .native(precision.native)
        case .reference: return .reference
        case .torch:
            let device = device ?? .cpu
            let libtorch = try Libtorch.commands(for: "\(command) --engine torch")
            try libtorch.start(threads: threads.budget.count, device: device, deterministic: true)
            return .torch(precision, device)
        }
    }
}
