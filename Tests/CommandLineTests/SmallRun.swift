import Foundation
import TapestryCore
import TapestryFormats
import Testing

/// A folder with a data set in CIFAR-10's format, and runs beside it.
struct SmallRun {
    static let testImages = 40
    let folder: String

    /// What every run shares; a network of 8 layers learns the images' brightness.
    var options: String { "--arch ask/resnet8 --method ask:ASK_4a --data \(folder)/data --batch-size 16 --threads 1" }

    static func with(_ body: (SmallRun) throws -> Void) throws {
        try TemporaryFolder.with { folder in
            let batches = "\(folder)/data/cifar-10-batches-bin"
            try FileManager.default.createDirectory(atPath: batches, withIntermediateDirectories: true)
            var random = RandomStream(seed: 7, purpose: .test)
            let files = (1...5).map { ("data_batch_\($0)", 20) } + [("test_batch", testImages)]
            for (name, count) in files {
                var bytes: [UInt8] = []
                for image in 0..<count {
                    let label = image % 10
                    bytes.append(UInt8(label))
                    bytes += (0..<3072).map { _ in UInt8(label * 20 + random.integer(below: 40)) }
                }
                try AtomicFile.write(bytes, to: "\(batches)/\(name).bin")
            }
            let names = (0..<10).map { "class\($0)" }.joined(separator: "\n")
            try AtomicFile.write(names + "\n", to: "\(batches)/batches.meta.txt")
            try body(SmallRun(folder: folder))
        }
    }

    func train(out: String, _ more: String...) throws -> Program.Outcome {
        try shell("$tapestry train \(options) --out \(folder)/\(out) \(more.joined(separator: " "))")
    }

    func shell(_ line: String) throws -> Program.Outcome { try Program.shell(line) }

    func digest(_ file: String) throws -> String {
        let outcome = try shell("sha256sum < \(folder)/\(file)")
        try #require(outcome.status == 0)
        return outcome.output
    }

    /// The part of a line of metrics that does not depend on the clock.
    struct Metrics: Decodable, Equatable {
        let epoch: Int
        let trainLoss, trainTop1, testLoss, testTop1, testTop5, learningRate: Double?
    }

    func metrics(_ run: String) throws -> [Metrics] {
        try String(contentsOfFile: "\(folder)/\(run)/metrics.jsonl", encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(Metrics.self, from: Data($0.utf8))
        }
    }
}
