import Foundation
import TapestryCore
import TapestryFormats

/// The folder of a run and the files in it. Every file is written aside, synced and renamed: whatever moment a process
/// is killed at, or a disk is full at, the files of before are whole.
public struct RunFolder: Sendable {
    public let path: String

    public init(path: String) { self.path = path }

    /// What was asked for.
    public var configuration: String { "\(path)/config.yaml" }
    /// A line of JSON per epoch.
    public var metrics: String { "\(path)/metrics.jsonl" }
    /// The network as of the last epoch.
    public var last: String { "\(path)/last.safetensors" }
    /// The network that did best on the test images.
    public var best: String { "\(path)/best.safetensors" }
    /// What `--resume` goes on from.
    public var state: String { "\(path)/state.safetensors" }

    public var hasRun: Bool { FileManager.default.fileExists(atPath: configuration) }
    public var hasState: Bool { FileManager.default.fileExists(atPath: state) }

    /// Makes the folder for a new run. Throws `RunError` where it holds a run already, `WriteError` where it cannot be made.
    public func create() throws {
        guard !hasRun else { throw RunError.alreadyExists(path) }
        guard mkdirs(path) else { throw WriteError(path: path, code: errno, operation: "create the folder") }
    }

    private func mkdirs(_ path: String) -> Bool {
        if mkdir(path, 0o777) == 0 { return true }
        var status = stat()
        if errno == EEXIST { return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return false }
        return mkdirs(String(path[..<slash])) && mkdir(path, 0o777) == 0
    }

    /// The epochs recorded so far. Throws `FormatError` naming the line that is not one.
    public func readMetrics() throws -> [EpochMetrics] {
        guard FileManager.default.fileExists(atPath: metrics) else { return [] }
        var offset = 0
        return try String(contentsOfFile: metrics, encoding: .utf8).split(separator: "\n").map { line in
            defer { offset += line.utf8.count + 1 }
            do { return try JSONDecoder().decode(EpochMetrics.self, from: Data(line.utf8)) } catch {
                throw FormatError(file: metrics, offset: offset, reason: "expected a JSON object of an epoch's metrics")
            }
        }
    }

    public func write(_ epochs: [EpochMetrics]) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let lines = try epochs.map { String(decoding: try encoder.encode($0), as: UTF8.self) + "\n" }
        try AtomicFile.write(lines.joined(), to: metrics)
    }
}

/// What keeps a run from starting, going on or ending well.
public enum RunError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The folder holds a run; going on with it must be asked for.
    case alreadyExists(String)
    /// There is nothing to resume in the folder.
    case noRun(String)
    /// A setting is asked to differ from what the run to resume was started with.
    case conflict(setting: String, recorded: String, given: String)
    /// The loss is infinite or NaN.
    case diverged(node: String, epoch: Int, step: Int)
    /// The data do not suit the network.
    case unsuitable(String)

    public var description: String {
        switch self {
        case .alreadyExists(let path):
            "\(path) holds a run already; pass --resume to go on with it, or another --out"
        case .noRun(let path): "\(path) holds no run to resume (no config.yaml); leave out --resume to start one"
        case .conflict(let setting, let recorded, let given):
            "the run was started with \(setting) \(recorded), not \(given); leave that out to resume, or use another --out"
        case .diverged(let node, let epoch, let step):
            "the loss is no longer finite at epoch \(epoch), step \(step); the first layer to go wrong is \"\(node)\"; "
                + "try a smaller --lr or --set gradient-clip=1; the checkpoints are those from before"
        case .unsuitable(let reason): reason
        }
    }
}
