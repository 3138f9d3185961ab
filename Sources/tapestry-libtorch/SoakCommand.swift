import Foundation
import TapestryCommandLine
import TapestryCore
import TapestryFormats
import TapestryTraining

extension Soak {
    func soak() throws {
        guard !FileManager.default.fileExists(atPath: out) else {
            throw CommandFailure(.usage, "\(out) is there already; remove it, or pass another --out")
        }
        do { try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: true) } catch {
            throw WriteError(path: out, code: errno, operation: "create the folder")
        }
        Interruption.listen()
        let whole = try undisturbedRun()
        var random = RandomStream(seed: seed, purpose: .soak)
        var tally = Tally()
        let start = ContinuousClock.now
        while tally.kills < kills {
            try finishRun(like: whole, &tally, random: &random)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            let left = ProgressBar.duration(seconds * Double(kills - tally.kills) / Double(max(tally.kills, 1)))
            Console.note(
                "run \(tally.runs): the same bits; \(tally.kills) of \(kills) kills, "
                    + "\((Double(tally.kills) / seconds).decimals(2)) a second, \(left) left")
        }
        try FileManager.default.removeItem(atPath: out)
        try print(tally, whole, seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    /// What went on so far.
    private struct Tally {
        var runs = 0
        var kills = 0
        /// The kills that left a file half written, by its name without what follows the first dot.
        var halfWritten: [String: Int] = [:]
    }

    /// The run whose bits all others must have.
    private struct Whole {
        let result: RunResult
        let duration: Duration
        let files: Int
    }

    private func training(in name: String, resuming: Bool) -> TrainingProcess {
        let folder = "\(out)/\(name)"
        return TrainingProcess(
            arguments: ["train", "--data", data] + Self.defaultOptions + trainOptions + ["--out", folder]
                + (resuming ? ["--resume"] : []),
            folder: folder, log: "\(out)/\(name).log")
    }

    private func undisturbedRun() throws -> Whole {
        let training = training(in: "whole", resuming: false)
        let outcome = try training.run()
        try check(outcome, of: training)
        let result = try RunResult(of: RunFolder(path: training.folder))
        let seconds = outcome.duration / .seconds(1)
        Console.note(
            "undisturbed: \(seconds.decimals(1)) s, \(outcome.files) files; last.safetensors has SHA-256 \(result.digest)"
        )
        return Whole(result: result, duration: outcome.duration, files: outcome.files)
    }

    /// Trains once, killing and resuming it as long as there are kills left, and compares.
    private func finishRun(like whole: Whole, _ tally: inout Tally, random: inout RandomStream) throws {
        tally.runs += 1
        let training = training(in: "run-\(tally.runs)", resuming: true)
        while true {
            let moment = tally.kills < kills ? moment(tally.kills, of: whole, random: &random) : nil
            let outcome = try training.run(killedAt: moment)
            guard outcome.end == .killed else {
                try check(outcome, of: training)
                break
            }
            tally.kills += 1
            if let file = Self.halfWrittenFile(in: training.folder) { tally.halfWritten[file, default: 0] += 1 }
        }
        let result = try RunResult(of: RunFolder(path: training.folder))
        if let difference = result.difference(from: whole.result) {
            throw CommandFailure(
                .internalError,
                "\(difference) of \(training.folder) is not that of \(out)/whole, after \(tally.kills) kills with --seed \(seed); "
                    + "both folders stay, what they said is in \(training.log)")
        }
        try FileManager.default.removeItem(atPath: training.folder)
    }

    /// By turns any moment of the run, and one in which a file is written, which takes about a millisecond.
    private func moment(_ kill: Int, of whole: Whole, random: inout RandomStream) -> TrainingProcess.Moment {
        if kill.isMultiple(of: 2) { return .after(whole.duration * random.uniform()) }
        return .inFile(1 + random.integer(below: whole.files), delay: .milliseconds(1) * random.uniform())
    }

    /// Throws: `CommandFailure` with what a training said that did not end well, or when this program is to end.
    private func check(_ outcome: TrainingProcess.Outcome, of training: TrainingProcess) throws {
        if outcome.end == .interrupted {
            try FileManager.default.removeItem(atPath: out)
            throw CommandFailure(.interrupted, "interrupted; the same command begins again")
        }
        guard case .status(let status) = outcome.end, status != 0 else { return }
        let said = (try? String(contentsOfFile: training.log, encoding: .utf8)) ?? ""
        let line = said.split(separator: "\n").last.map(String.init) ?? "it said nothing"
        throw CommandFailure(
            ExitStatus(rawValue: status) ?? .internalError,
            "train ended with \(status): \(line.trimmingPrefix("tapestry: ")) (more in \(training.log))")
    }

    /// The name, up to its first dot, of a file that a killed training had begun.
    private static func halfWrittenFile(in folder: String) -> String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.first { $0.hasSuffix(".tmp") }.map { String($0.prefix { $0 != "." }) }
    }

    private func print(_ tally: Tally, _ whole: Whole, seconds: Double) throws {
        let written = tally.halfWritten.values.reduce(0, +)
        if json {
            return try Console.printJSON(
                Report(
                    kills: tally.kills, runs: tally.runs, killsWhileWriting: written, halfWritten: tally.halfWritten,
                    sha256: whole.result.digest, seed: seed, seconds: seconds))
        }
        let files = tally.halfWritten.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0) \($1)" }.joined(separator: ", ")
        try Console.print(
            """
            \(tally.kills) kills in \(tally.runs) runs, \(written) of them while a file was written\
            \(files.isEmpty ? "" : " (\(files))"); \
            every run ended in the bits of the undisturbed one
            """)
    }

    private struct Report: Encodable {
        let kills: Int
        let runs: Int
        let killsWhileWriting: Int
        let halfWritten: [String: Int]
        /// Of `last.safetensors`.
        let sha256: String
        let seed: UInt64
        let seconds: Double

        enum CodingKeys: String, CodingKey {
            case kills, runs, sha256, seed, seconds
            case killsWhileWriting = "kills_while_writing"
            case halfWritten = "half_written"
        }
    }
}

/// What a run came to, but for its times.
private struct RunResult {
    private let files: [(name: String, bytes: Data)]
    private let metrics: [EpochMetrics]

    init(of folder: RunFolder) throws {
        files = try [("last.safetensors", folder.last), ("best.safetensors", folder.best), ("the state", folder.state)]
            .map { ($0, try Data(contentsOf: URL(filePath: $1))) }
        metrics = try folder.readMetrics().map { epoch in
            var epoch = epoch
            epoch.training?.seconds = 0
            epoch.training?.imagesPerSecond = 0
            epoch.test?.seconds = 0
            return epoch
        }
    }

    /// Of `last.safetensors`.
    var digest: String { SHA256.hex(of: Array(files[0].bytes)) }

    /// The first thing in which it is another one; nil if it is the same to the bit.
    func difference(from other: RunResult) -> String? {
        zip(files, other.files).first { $0.bytes != $1.bytes }?.0.name
            ?? (metrics == other.metrics ? nil : "metrics.jsonl")
    }
}
