import Foundation
import TapestryCommandLine
import TapestryCore
import TapestryRecipes
import TapestryRuntime
import TapestryTorch
import TapestryTraining

/// Everything that commands need libtorch for, as this program does it.
struct CommandsOnLibtorch: LibtorchCommands {
    func train(_ command: Train) throws { try command.train() }
    func explain(_ command: Train) throws { try command.explainEngines() }
    func scale(_ command: Scale) throws { try command.scale() }
    func quantize(_ command: Quantize) throws { try command.quantize() }
    func retrain(_ command: Retrain) throws { try command.retrain() }
    func demonstrate(_ command: Demo) throws { try command.demonstrate() }
    func soak(_ command: Soak) throws { try command.soak() }

    func start(threads: Int, device: Device, deterministic: Bool) throws {
        try TorchRuntime.start(threads: threads, device: device, deterministic: deterministic)
    }

    func prepare(
        _ model: Model, precision: RunConfiguration.Precision, device: Device
    ) throws -> any PreparedNetwork {
        try TorchPrepared(model, precision: precision, device: device)
    }

    func bench(
        _ subject: BenchSubject, batches: [Int], precision: RunConfiguration.Precision, on device: Device
    ) throws -> [DeviceBench.Row] {
        try TorchBench(subject, precision: precision, on: device).rows(batches: batches)
    }

    var library: Libtorch {
        let versions = LibtorchVersions.ofThisProcess
        var mismatch: String?
        do { try versions.verify() } catch { mismatch = error.message }
        let path = Self.loadedPath
        let hasCUDA = path.map { FileManager.default.fileExists(atPath: "\($0)/libtorch_cuda.so") } ?? false
        return Libtorch(
            version: versions.loaded, mismatch: mismatch, path: path, hasCUDA: hasCUDA,
            ncclLibrary: ProcessGroup.ncclLibrary)
    }

    /// The folder of the library that this process has mapped.
    private static var loadedPath: String? {
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        return maps.split(separator: "\n").first { $0.contains("/libtorch_cpu.so") }
            .flatMap { line in line.firstIndex(of: "/").map { line[$0...] } }
            .map { URL(fileURLWithPath: String($0)).deletingLastPathComponent().path }
    }
}

extension CommandsOnLibtorch {
    func failure(of error: any Error) -> CommandFailure? {
        switch error {
        case let error as RunError: CommandFailure(Self.status(of: error), error.description)
        case let error as TorchError where error.isPeerLost:
            CommandFailure(
                .interrupted,
                "lost another process of this run, which has ended, hangs or cannot be reached (\(error.message));"
                    + " start all of them again with --resume to go on from the last checkpoint")
        // A library of another version or a GPU that is not there; any other operation should not have failed.
        case let error as TorchError where error.operation == "cuda":
            CommandFailure(
                .unavailable,
                "--device cuda: \(CUDA.missing.map { "this machine lacks \($0)" } ?? error.message);"
                    + " `tapestry doctor` says what there is")
        case let error as TorchError where error.operation == "libtorch":
            CommandFailure(.unavailable, "\(error); `tapestry doctor` says what this machine has")
        default: nil
        }
    }

    private static func status(of error: RunError) -> ExitStatus {
        switch error {
        case .alreadyExists, .conflict: .usage
        case .inUse: .cannotWrite
        case .noRun: .inputNotFound
        case .diverged, .unsuitable: .badData
        }
    }
}
