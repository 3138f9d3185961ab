import Foundation

/// The folder of a run and the files in it. Every file is written aside, synced and renamed: whatever moment a process
/// is killed at, or a disk is full at, the files of before are whole.
public struct RunFolder: Equatable, Sendable {
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
    /// The state that was saved before that one, for the day on which the last is damaged.
    public var olderState: String { "\(path)/state.older.safetensors" }

    public var hasRun: Bool { FileManager.default.fileExists(atPath: configuration) }
    public var hasState: Bool { [state, olderState].contains { FileManager.default.fileExists(atPath: $0) } }
}

// MARK: - The record of the epochs

extension RunFolder {
    /// Of a record's bytes: fifty thousand epochs fit.
    private static let metricsSizeLimit = 1 << 24
    /// Of a line's, which has some hundreds: a decoder may make of each byte many in memory.
    private static let lineSizeLimit = 1 << 16

    /// The first so many epochs of the record, without a gap; later ones are of a run that came to its end before its
    /// state was saved. There are none before the first epoch has ended.
    ///
    /// Throws: `FormatError` naming the place that is not the next epoch, or where they are fewer.
    public func readMetrics(epochs: Int = .max) throws -> [EpochMetrics] {
        let exists = FileManager.default.fileExists(atPath: metrics)
        let bytes = exists ? try InputFile.read(metrics, limit: Self.metricsSizeLimit) : []
        let decoder = JSONDecoder()
        var offset = 0
        var read: [EpochMetrics] = []
        // Line by line: a list of a hostile file's lines may take far more memory than the file.
        while offset < bytes.count, read.count < epochs {
            let line = bytes[offset...].prefix { $0 != UInt8(ascii: "\n") }
            defer { offset += line.count + 1 }
            if line.isEmpty { continue }
            guard line.count <= Self.lineSizeLimit,
                let epoch = try? decoder.decode(EpochMetrics.self, from: Data(line)), epoch.isPossible
            else {
                throw FormatError(file: metrics, offset: offset, reason: "expected a JSON object of an epoch's metrics")
            }
            let expected = read.last.map { $0.epoch + 1 } ?? min(epoch.epoch, 1)
            guard epoch.epoch == expected else {
                throw FormatError(
                    file: metrics, offset: offset, reason: "expected epoch \(expected), found \(epoch.epoch)")
            }
            read.append(epoch)
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
