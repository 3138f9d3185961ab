import ArgumentParser
import Foundation
import TapestryData

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what this machine has for the work, and what is missing and how to get it.",
        discussion: """
            Looks at the processor and its instruction sets, the threads and the memory that control groups leave, \
            libtorch, GPUs and what computing on them takes (driver, libtorch with CUDA, NVRTC, \
            NCCL), and data sets. Nothing is changed or installed.

            Examples:
              tapestry doctor
              tapestry doctor --json | jq '.missing[].remedy'
            """)

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        // What libtorch is like only a program that links it can tell.
        if Libtorch.commands == nil { try LibtorchProgram.become() }
        let report = MachineReport()
        try json ? Console.printJSON(report) : Console.print(report.text)
    }
}

/// What `tapestry doctor` finds.
private struct MachineReport: Encodable {
    struct CPU: Encodable {
        let model: String
        let features: [String]
        let processors: Int
        let available: Int
        let limit: Double?
    }

    struct Threads: Encodable {
        let count: Int
        let reason: String
    }

    struct Bytes: Encodable {
        let total: Int?
        let available: Int?
        let limit: Int?
    }

    /// Something that some command needs.
    struct Missing: Encodable {
        let what: String
        let remedy: String
    }

    let version = Tapestry.version
    let cpu: CPU
    let threads: Threads
    let memory: Bytes
    let libtorch = Libtorch.current
    let gpus = GraphicsProcessor.all
    let cuda = CUDAParts.current
    let datasets = FoundDataset.all
    let missing: [Missing]

    init() {
        let processor = Processor.current
        cpu = CPU(
            model: processor.model, features: processor.features, processors: processor.count,
            available: ThreadBudget.availableProcessors, limit: ControlGroup.current.processorLimit)
        let budget = ThreadBudget.current()
        threads = Threads(count: budget.count, reason: budget.reason)
        let memory = Memory.current
        self.memory = Bytes(total: memory.total, available: memory.available, limit: memory.limit)
        missing = Self.missing(libtorch: libtorch, datasets: datasets)
    }

    private static func missing(libtorch: Libtorch?, datasets: [FoundDataset]) -> [Missing] {
        var missing: [Missing] = []
        if let libtorch {
            if let mismatch = libtorch.mismatch {
                missing.append(Missing(what: "a fitting libtorch", remedy: mismatch))
            }
        } else {
            missing.append(
                Missing(what: "libtorch (train, evaluate, demo)", remedy: "`./dev setup` installs it; then build again")
            )
        }
        if libtorch != nil, let remedy = CUDA.missing {
            missing.append(Missing(what: "CUDA (--device cuda)", remedy: remedy))
        }
        if !datasets.contains(where: { $0.dataset == DatasetKind.fashionMNIST.rawValue }) {
            missing.append(Missing(what: "Fashion-MNIST (demo)", remedy: "`apt-get install dataset-fashion-mnist`"))
        }
        if !datasets.contains(where: { $0.dataset.hasPrefix("cifar") }) {
            missing.append(
                Missing(
                    what: "CIFAR",
                    remedy: "unpack cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html and set "
                        + "TAPESTRY_CIFAR to its folder"))
        }
        return missing
    }
}

extension MachineReport {
    var text: String {
        var lines: [(String, String)] = [("tapestry", version), ("processor", cpu.model)]
        lines.append(
            ("features", cpu.features.isEmpty ? "none that kernels ask for" : cpu.features.joined(separator: " ")))
        lines.append(("processors", "\(cpu.processors), \(cpu.available) for this process"))
        lines.append(("threads", "\(threads.count): \(threads.reason)"))
        lines.append(("memory", memoryText))
        if let libtorch {
            lines.append(("libtorch", libtorch.version + (libtorch.path.map { " in \($0)" } ?? "")))
        } else {
            lines.append(("libtorch", "none in this build"))
        }
        lines.append(("GPUs", gpus.isEmpty ? "none" : gpus.map(\.name).joined(separator: ", ")))
        for part in cuda.all {
            lines.append(("CUDA", "\(part.name): \(part.found ?? "none: \(part.reason ?? ""); \(part.remedy)")"))
        }
        for dataset in datasets { lines.append(("data", "\(dataset.dataset) in \(dataset.path)")) }
        for item in missing { lines.append(("missing", "\(item.what): \(item.remedy)")) }
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { $0 + String(repeating: " ", count: width + 2 - $0.count) + $1 }.joined(separator: "\n")
    }

    private var memoryText: String {
        func gibibytes(_ bytes: Int) -> String { "\((Double(bytes) / 0x1p30).significant(3)) GiB" }
        var parts = [memory.total.map { gibibytes($0) } ?? "unknown"]
        if let available = memory.available { parts.append("\(gibibytes(available)) available") }
        if let limit = memory.limit { parts.append("limited to \(gibibytes(limit))") }
        return parts.joined(separator: ", ")
    }
}
