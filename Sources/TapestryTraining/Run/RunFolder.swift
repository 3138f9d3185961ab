import Foundation
import TapestryCore
import TapestryFormats

/// The folder of a run and the files in it. Every file is written aside, synced and renamed: whatever moment a process
/// is killed at, or a disk is full at, the files of before are whole.
public struct RunFolder: Sendable {
    public let path: String

    public init(path: String) {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = path
    }

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

    /// Makes the folder for a new run, and locks it. Throws `RunError` where it holds a run already, `WriteError` where
    /// it cannot be made.
    func create() throws -> Lock {
        guard mkdirs(path) else { throw WriteError(path: path, code: errno, operation: "create the folder") }
        let lock = try lock()
        guard !hasRun else { throw RunError.alreadyExists(path) }
        return lock
    }

    /// Claims the folder for this process until the lock is dropped, and removes what a killed one had begun to write.
    /// Throws `RunError.inUse` where another process has it.
    func lock() throws -> Lock {
        let lock = try Lock(path)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
            let file = "\(path)/\(name)"
            let isOurs = [configuration, metrics, last, best, state].contains { file.hasPrefix("\($0).") }
            if isOurs, name.hasSuffix(".tmp") { unlink(file) }
        }
        return lock
    }

    /// A claim on a folder, which ends with the process at the latest.
    final class Lock {
        private let descriptor: Int32

        fileprivate init(_ path: String) throws {
            descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw WriteError(path: path, code: errno, operation: "open the folder") }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                close(descriptor)
                if code == EWOULDBLOCK { throw RunError.inUse(path) }
                throw WriteError(path: path, code: code, operation: "lock the folder")
            }
        }

        deinit { close(descriptor) }
    }

    private func mkdirs(_ path: String) -> Bool {
        if mkdir(path, 0o777) == 0 { return true }
        var status = stat()
        if errno == EEXIST { return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return false }
        return mkdirs(String(path[..<slash])) && mkdir(path, 0o777) == 0
    }

    /// The first so many epochs of the record; later ones are of a run that came to its end before its state was saved.
    /// Throws `FormatError` naming the place that is not an epoch, or where they are fewer.
    public func readMetrics(epochs: Int = .max) throws -> [EpochMetrics] {
        let bytes = FileManager.default.contents(atPath: metrics) ?? Data()
        var offset = 0
        var read: [EpochMetrics] = []
        for line in bytes.split(separator: UInt8(ascii: "\n")).prefix(epochs) {
            guard let epoch = try? JSONDecoder().decode(EpochMetrics.self, from: Data(line)), epoch.isPossible else {
                throw FormatError(file: metrics, offset: offset, reason: "expected a JSON object of an epoch's metrics")
            }
            read.append(epoch)
            offset += line.count + 1
        }
        guard epochs == .max || read.count == epochs else {
            throw FormatError(file: metrics, reason: "expected \(epochs) epochs, found \(read.count)")
        }
        return read
    }

    /// Replaces the record.
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
    /// Another process trains in the folder.
    case inUse(String)
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
        case .inUse(let path): "\(path) is in use by another process that trains there"
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
