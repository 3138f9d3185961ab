import Foundation
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite("Folders of runs") struct RunFolderTests {
    private static func epoch(_ number: Int) -> EpochMetrics {
        EpochMetrics(
            epoch: number, training: number == 0 ? nil : training,
            test: EpochMetrics.Test(loss: 1.25, top1: 50.5, top5: 91, seconds: 0.5))
    }

    private static let training = EpochMetrics.Training(
        learningRate: 0.1, loss: 1.5, top1: 40, imagesPerSecond: 400, seconds: 2.5)

    private static let line =
        #"{"epoch":1,"imagesPerSecond":400,"learningRate":0.1,"testLoss":1.25,"testSeconds":0.5,"testTop1":50.5,"#
        + #""testTop5":91,"trainLoss":1.5,"trainSeconds":2.5,"trainTop1":40}"#

    private func withFolder(metrics: String, _ body: (RunFolder) throws -> Void) throws {
        let directory = try TemporaryDirectory()
        try directory.write(Array(metrics.utf8), to: "metrics.jsonl")
        try body(RunFolder(path: directory.path))
    }

    @Test func metricsComeBack() throws {
        let directory = try TemporaryDirectory()
        let folder = RunFolder(path: directory.path + "/")
        #expect(try folder.readMetrics().isEmpty)
        for first in [0, 1] {
            var epochs = (first...3).map(Self.epoch)
            epochs[epochs.count - 2].test = nil
            try folder.write(epochs)
            #expect(try folder.readMetrics() == epochs)
        }
        let epochs = (1...3).map(Self.epoch)
        try folder.write(epochs)
        #expect(try folder.readMetrics() == epochs)
        #expect(try folder.readMetrics(epochs: 2) == Array(epochs.prefix(2)))
        expectFormatError("expected 4 epochs, found 3") { _ = try folder.readMetrics(epochs: 4) }
    }

    @Test(
        arguments: [
            ("nonsense", "JSON object"), ("[]", "JSON object"), ("{}", "JSON object"),
            (line.replacing("50.5", with: "\"a\""), "JSON object"), (line.replacing("50.5", with: "-1"), "JSON object"),
            (line.replacing("50.5", with: "1e300"), "JSON object"),
            (line.replacing("50.5", with: "1e999"), "JSON object"),
            (line, "expected epoch 2, found 1"), (line.replacing("epoch\":1", with: "epoch\":3"), "expected epoch 2"),
            (line.replacing("epoch\":1", with: "epoch\":0"), "JSON object"),
            (String(repeating: "[", count: 100_000), "JSON object"), ("\u{0}", "JSON object"),
            // It would do, were it not so long.
            (
                line.replacing("epoch\":1", with: "epoch\":2") + String(repeating: " ", count: 1 << 16),
                "JSON object"
            ),
        ])
    func wrongLinesAreNamedByTheirOffset(second: String, reason: String) throws {
        try withFolder(metrics: "\(Self.line)\n\n\(second)\n") { folder throws in
            expectFormatError(at: Self.line.utf8.count + 2, reason) { _ = try folder.readMetrics() }
            #expect(try folder.readMetrics(epochs: 1) == [Self.epoch(1)])
        }
    }

    @Test func truncatedAndChangedRecordsAreRefusedOrShorter() throws {
        let bytes = Array("\(Self.line)\n\(Self.line.replacing("epoch\":1", with: "epoch\":2"))\n".utf8)
        let directory = try TemporaryDirectory()
        let folder = RunFolder(path: directory.path)
        func read(_ bytes: [UInt8]) throws {
            try directory.write(bytes, to: "metrics.jsonl")
            _ = try folder.readMetrics()
        }
        let first = Self.line.utf8.count
        // Whole lines, with or without their newline, are records of fewer epochs.
        let accepted = Damage.truncationsAccepted(of: bytes, by: read)
        #expect(accepted == [0, first, first + 1, bytes.count - 1])
        let surprises = Damage.flip(bytes, for: .milliseconds(300), expecting: FormatError.self, by: read)
        #expect(surprises.isEmpty)
    }

    @Test func whatIsNoFileIsRefusedAtOnce() throws {
        let directory = try TemporaryDirectory()
        let folder = RunFolder(path: directory.path)
        #expect(mkfifo(folder.metrics, 0o600) == 0)
        expectFormatError("regular file") { _ = try folder.readMetrics() }
    }

    @Test func recordsHoldWhatWasAskedFor() throws {
        let directory = try TemporaryDirectory()
        let rules = "- layers: \"layer1.*\"\n  method: ask:ASK_2\n"
        try directory.write(
            Array("architecture: ask/resnet20\nmethods:\n\(rules)recipe:\n  epochs: 7\n".utf8), to: "config.yaml")
        try directory.write(Array(Self.line.utf8), to: "metrics.jsonl")
        let record = try RunRecord(readingFrom: RunFolder(path: directory.path))
        #expect(record.architecture == "ask/resnet20" && record.epochCount == 7)
        #expect(record.methods.map(\.layers) == ["layer1.*"] && record.methods.map(\.method) == ["ask:ASK_2"])
        #expect(record.epochs == [Self.epoch(1)])
        #expect(record.configuration["recipe"]?["epochs"] == 7)
    }

    @Test(
        arguments: [
            ("", nil, "architecture"), ("architecture: 3\n", 1, "architecture must be a text"),
            ("architecture: a\n", nil, "has no \"methods\""),
            ("architecture: a\nmethods: 3\n", 2, "methods must be a list"),
            ("architecture: a\nmethods: [{layers: x}]\n", 2, "methods must be a list"),
            ("architecture: a\nmethods: []\n", nil, "has no \"recipe: epochs\""),
            ("architecture: a\nmethods: []\nrecipe:\n  epochs: 0\n", 4, "whole number"),
            ("architecture: a\nmethods: []\nrecipe: [1]\n", nil, "epochs"), ("- a\n- [\n", 3, "expected YAML"),
        ] as [(String, Int?, String)])
    func recordsThatAreNoneAreRefused(text: String, line: Int?, reason: String) throws {
        let directory = try TemporaryDirectory()
        try directory.write(Array(text.utf8), to: "config.yaml")
        let error = #expect(throws: ConfigurationError.self) {
            try RunRecord(readingFrom: RunFolder(path: directory.path))
        }
        #expect(error?.line == line)
        #expect(error?.reason.contains(reason) == true, "\(String(describing: error))")
    }
}

@Suite("Names of classes") struct ClassNamesTests {
    @Test func namesComeBack() throws {
        let names = ["cat", "a \"b\"\n\\", "日本", ""]
        #expect(
            try NameList.classNames.read([NameList.classNames.key: NameList.classNames.text(names)], path: "m") == names
        )
        #expect(try NameList.classNames.read([:], path: "m") == nil)
    }

    @Test(arguments: ["", "{}", "[1]", "[\"a\"", "\"a\"", "[null]"]) func whatIsNoListIsRefused(text: String) {
        expectFormatError("class-names") {
            _ = try NameList.classNames.read([NameList.classNames.key: text], path: "m")
        }
    }

    @Test func whatIsTooLongIsRefused() {
        let text = NameList.classNames.text(Array(repeating: "", count: 1 << 19))
        expectFormatError("\"class-names\" has 1572865 bytes, of at most 1048576") {
            _ = try NameList.classNames.read([NameList.classNames.key: text], path: "m")
        }
    }
}
