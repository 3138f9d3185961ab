import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRuntime

/// What `bench --tune` has measured on this machine: a small file for each network, batch, number of threads and
/// precision, in Tapestry's cache.
struct TuningStore {
    private let folder: URL

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        folder = URL(fileURLWithPath: CacheFolder.path(environment: environment)).appendingPathComponent("tunings")
    }

    /// Whether nothing has ever been kept.
    var isEmpty: Bool { !FileManager.default.fileExists(atPath: folder.path) }

    /// A network as it is planned: its graph, which of its weights are zero, and what it is planned for.
    struct Key {
        fileprivate let digest: String

        init(_ model: FrozenModel, batch: Int, threads: Int, _ instructionSet: InstructionSet) throws {
            let weights = model.weights.tensors.sorted { $0.key < $1.key }.map { name, tensor in
                "\(name) \(tensor.shape) \(tensor.elements.count { $0 != 0 })"
            }
            let encoder = JSONEncoder()
            encoder.outputFormatting = .sortedKeys
            let graph = String(decoding: try encoder.encode(model.graph), as: UTF8.self)
            let parts =
                [
                    Tapestry.version, Processor.current.model, instructionSet.name, instructionSet.precision.rawValue,
                    "\(batch)", "\(threads)", graph,
                ] + weights
            digest = SHA256.hex(of: Array(parts.joined(separator: "\n").utf8))
        }
    }

    /// Nil where nothing was measured. A file that cannot be read is as good as none: it only tells what is fastest.
    func tuning(for key: Key) -> Tuning? {
        guard let text = try? Data(contentsOf: file(for: key)) else { return nil }
        return try? JSONDecoder().decode(Tuning.self, from: text)
    }

    /// Throws: `WriteError` where it cannot be kept.
    func keep(_ tuning: Tuning, for key: Key) throws {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            throw CommandFailure(.cannotWrite, "\(folder.path): cannot be made: \(error.localizedDescription)")
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        try AtomicFile.write(String(decoding: try encoder.encode(tuning), as: UTF8.self), to: file(for: key).path)
    }

    private func file(for key: Key) -> URL { folder.appendingPathComponent("\(key.digest).json") }
}

extension NativeNetwork {
    /// Planned as `bench --tune` has found to be fastest on this machine, if it was asked for the same before.
    convenience init(
        tuned model: FrozenModel, batch: Int, threads: Int, precision: NativePrecision = .fp32,
        store: TuningStore = TuningStore()
    ) throws {
        let instructionSet = try InstructionSet.best(for: precision)
        let tuning =
            try store.isEmpty
            ? nil
            : store.tuning(for: TuningStore.Key(model, batch: batch, threads: threads, instructionSet))
        try self.init(
            model, batch: batch, threads: threads, precision: precision, instructionSet: instructionSet,
            tuning: tuning)
    }
}
