import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import Testing

#if canImport(FoundationXML)
import FoundationXML
#endif

/// What `tapestry report --json` prints, as far as it is checked.
private struct ReportDocument: Decodable {
    struct Evaluation: Decodable, Equatable {
        let epoch: Int
        let top1, top5, loss: Double
    }

    struct LastFive: Decodable, Equatable {
        let evaluations: Int
        let maximumTop1, meanTop1, meanLoss: Double
    }

    struct Run: Decodable {
        let name, path, network, method: String
        let epochsDone, epochsAsked: Int
        let last, best: Evaluation?
        let lastFive: LastFive?
        let trainLoss, imagesPerSecond: Double?
        let trainSeconds, testSeconds: Double
        let parameters, macs: Int?
        let epochs: [EpochMetrics]
    }

    struct Network: Decodable {
        struct Layer: Decodable {
            let name: String
            let macs: Int
        }

        let title: String
        let runs: [String]
        let parameters, macs: Int
        let layers: [Layer]
    }

    struct Difference: Decodable {
        struct Value: Decodable {
            let run: String
            let value: String?
        }

        let setting: String
        let values: [Value]
    }

    let runs: [Run]
    let networks: [Network]
    let differences: [Difference]
}

@Suite("tapestry report") struct RunReportTests {
    @Test func figuresAreThoseOfTheRecords() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.writePair(in: folder)
            let outcome = try Program.run("report", "\(folder)/dense", "\(folder)/shaped", "--json")
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
            let document = try outcome.json(as: ReportDocument.self)
            #expect(document.runs.map(\.name) == ["dense", "shaped"])
            let run = document.runs[0]
            #expect(run.path == "\(folder)/dense" && run.network == "ask/resnet8" && run.method == "dense")
            #expect(run.epochsDone == 6 && run.epochsAsked == 6)
            #expect(run.last == .init(epoch: 6, top1: 88, top5: 95, loss: 0.5))
            #expect(run.best == .init(epoch: 5, top1: 90, top5: 95, loss: 0.6))
            let five = try #require(run.lastFive)
            #expect(five.evaluations == 5 && five.maximumTop1 == 90)
            #expect(abs(five.meanTop1 - (60 + 80 + 85 + 90 + 88) / 5) < 1e-9)
            #expect(abs(five.meanLoss - 3 * (1 / 2.0 + 1 / 3.0 + 1 / 4.0 + 1 / 5.0 + 1 / 6.0) / 5) < 1e-9)
            #expect(run.trainLoss == 2.0 / 6)
            // (100 * 10 + 5 * 300 * 10) images in 60 seconds.
            #expect(abs(try #require(run.imagesPerSecond) - 16_000 / 60) < 1e-9)
            #expect(run.trainSeconds == 60 && run.testSeconds == 6 && run.epochs.count == 6)
            let count = try Count(try Zoo.architecture(named: "ask/resnet8").graph())
            #expect(run.parameters == count.parameters && run.macs == count.macs)
            let short = document.runs[1]
            #expect(short.epochsDone == 2 && short.lastFive?.evaluations == 2 && short.method == "ask:ASK_5a")
            #expect(try #require(short.parameters) < count.parameters)

            #expect(document.networks.map(\.runs) == [["dense"], ["shaped"]])
            #expect(document.networks[0].layers.reduce(0) { $0 + $1.macs } == count.macs)
            #expect(document.networks[1].title == "ask/resnet8 ask:ASK_5a")
            let differences = Dictionary(uniqueKeysWithValues: document.differences.map { ($0.setting, $0.values) })
            #expect(Set(differences.keys) == ["methods", "learning-rate"])
            #expect(differences["learning-rate"]?.map(\.value) == ["0.1", "0.05"])
            #expect(differences["methods"]?.map(\.value) == ["dense", "ask:ASK_5a"])
        }
    }

    @Test func epochsThatWereNotTestedAreNoEvaluations() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.write("\(folder)/run", top1: [nil, 70, nil, 60, nil])
            let outcome = try Program.run("report", "\(folder)/run", "--json")
            #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
            let run = try #require(try outcome.json(as: ReportDocument.self).runs.first)
            #expect(run.epochsDone == 5 && run.trainSeconds == 50 && run.testSeconds == 2)
            #expect(run.last?.epoch == 4 && run.best?.epoch == 2 && run.lastFive?.evaluations == 2)
            #expect(try Program.run("report", "\(folder)/run").output.contains("60.00 %"))
        }
    }

    @Test func tableSaysWhereEvaluationsAreFewer() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.writePair(in: folder)
            let outcome = try Program.run("report", folder)
            #expect(outcome.status == 0 && outcome.errors.isEmpty)
            let lines = outcome.output.split(separator: "\n")
            let dense = try #require(lines.first { $0.hasPrefix("dense ") })
            for word in ["ask/resnet8", "6/6", "88.00 %", "90.00 %", "80.60 %", "0.8700", "0.3333"] {
                #expect(dense.contains(word), "\(dense)")
            }
            #expect(lines.contains { $0.hasPrefix("shaped ") && $0.contains("2/6") && $0.contains("55.00 % (2)") })
            #expect(outcome.output.contains("(n): of the n evaluations that the run has"))
            #expect(lines.contains { $0.hasPrefix("dense ") && $0.contains("266") && $0.hasSuffix("1:00         6 s") })
            #expect(lines.allSatisfy { $0.count <= 130 })
        }
    }

    @Test func runsInAFolderAreSortedAndShownOnce() throws {
        try TemporaryFolder.with { folder throws in
            for name in ["exp/run10", "exp/run9", "exp/deep/a"] {
                try RunFixtures.write("\(folder)/\(name)", top1: [10], model: false)
            }
            // Neither a link's second way to a run nor a loop is followed, and what is hidden is none's business.
            try RunFixtures.write("\(folder)/exp/.hidden", top1: [10], model: false)
            try FileManager.default.createSymbolicLink(
                atPath: "\(folder)/exp/loop", withDestinationPath: "\(folder)/exp")
            let outcome = try Program.run("report", "\(folder)/exp/run9/", folder, "--json")
            let document = try outcome.json(as: ReportDocument.self)
            #expect(document.runs.map(\.name) == ["run9", "deep/a", "run10"])
            #expect(document.runs.allSatisfy { $0.parameters == nil && $0.macs == nil })
            #expect(document.networks.isEmpty && document.differences.isEmpty)
        }
    }

    @Test func aRunWithoutAnEpochIsShown() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.write("\(folder)/new", top1: [])
            try FileManager.default.removeItem(atPath: "\(folder)/new/metrics.jsonl")
            for arguments in [["--json"], [], ["-o", "\(folder)/r.html"], ["-o", "\(folder)/r.svg"]] {
                let outcome = try Program.shell(
                    "\"$tapestry\" report \(folder)/new \(arguments.joined(separator: " "))")
                #expect(outcome.status == 0, "\(outcome.errors)")
            }
            #expect(try Program.run("report", "\(folder)/new").output.contains("0/6"))
            for file in ["r.html", "r.svg"] {
                let text = try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
                #expect(text.contains("No epoch has ended yet."))
                #expect(Parsed(text).error == nil)
            }
        }
    }

    @Test func oneNetworkOfSeveralRunsIsCountedOnce() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.write("\(folder)/a", top1: [10])
            try RunFixtures.write("\(folder)/b", top1: [20])
            let document = try Program.run("report", folder, "--json").json(as: ReportDocument.self)
            #expect(document.networks.map(\.runs) == [["a", "b"]])
            #expect(document.networks.map(\.title) == ["ask/resnet8 dense"])
        }
    }
}

@Suite("tapestry report -o") struct ReportFileTests {
    @Test func pageIsWellFormedAndComplete() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.writePair(in: folder)
            let page = "\(folder)/report.html"
            let outcome = try Program.run("report", folder, "-o", page)
            #expect(outcome.status == 0 && outcome.errors == "wrote \(page)\n", "\(outcome.errors)")
            let text = try String(contentsOfFile: page, encoding: .utf8)
            let parsed = Parsed(text)
            #expect(parsed.error == nil)
            #expect(parsed.count("table") == 4 && parsed.count("details") == 2)
            // Four plots and their legend's two colours, which the table has too.
            #expect(parsed.count("svg") == 8)
            // A line in each plot for both runs, and each colour twice.
            #expect(parsed.count("path") == 4 * 2 + 2 * 2)
            #expect(parsed.count("circle") == 4 * (6 + 2))
            for word in ["learning-rate", "ask:ASK_5a", "Learning rate", "layer1.0.conv1", "dense, epoch 5: 90.00 %"] {
                #expect(parsed.text.contains(word), "\(word)")
            }
            #expect(parsed.count("script") == 0 && !text.contains("url(") && !text.contains("@import"))
            #expect(parsed.attributes.allSatisfy { !["href", "src", "onload"].contains($0) })
            let repeated = try Program.run("report", folder, "-o", page)
            #expect(repeated.output == outcome.output)
            #expect(try String(contentsOfFile: page, encoding: .utf8) == text)
        }
    }

    @Test func curvesStandAlone() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.writePair(in: folder)
            let outcome = try Program.run("report", folder, "-o", "\(folder)/curves.SVG", "--json")
            #expect(outcome.status == 0)
            _ = try outcome.json(as: ReportDocument.self)
            let text = try String(contentsOfFile: "\(folder)/curves.SVG", encoding: .utf8)
            let parsed = Parsed(text)
            #expect(parsed.error == nil)
            #expect(parsed.elements.first == "svg" && parsed.count("svg") == 1)
            #expect(parsed.count("path") == 4 * 2 + 2)
            #expect(text.contains("prefers-color-scheme: dark"))
            // The rate moves by a hundred, so its axis has decades.
            for label in ["0.1", "0.01", "0.001", "epoch", "dense", "shaped"] {
                #expect(text.contains(">\(label)</text>"), "\(label)")
            }
        }
    }

    @Test func namesCannotBecomeMarkup() throws {
        try TemporaryFolder.with { folder throws in
            let name = "<script>alert(1)</script>&amp;\"'\u{1}\u{1B}[31m"
                .replacing("/", with: "\u{2215}")
            try RunFixtures.write("\(folder)/\(name)", network: "ask/resnet8", top1: [10, 20])
            try RunFixtures.write("\(folder)/b", top1: [10, 20])
            var config = try String(contentsOfFile: "\(folder)/b/config.yaml", encoding: .utf8)
            config = config.replacing("ask/resnet8", with: "\"<img src=x onerror=y>]]>\"")
            try config.write(toFile: "\(folder)/b/config.yaml", atomically: true, encoding: .utf8)
            for file in ["r.html", "r.svg"] {
                let outcome = try Program.run("report", folder, "-o", "\(folder)/\(file)")
                #expect(outcome.status == 0, "\(outcome.errors)")
                #expect(!outcome.output.contains("\u{1B}"))
                let parsed = Parsed(try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8))
                #expect(parsed.error == nil)
                #expect(parsed.count("script") == 0 && parsed.count("img") == 0)
            }
            _ = try Program.run("report", folder, "--json").json(as: ReportDocument.self)
        }
    }

    @Test func longRunsGiveSmallFiles() throws {
        try TemporaryFolder.with { folder throws in
            let top1 = (0..<20_000).map { 50 + 10 * sin(Double($0)) }
            try RunFixtures.write("\(folder)/long", top1: top1, asked: 20_000, model: false)
            #expect(try Program.run("report", "\(folder)/long", "-o", "\(folder)/r.html").status == 0)
            let text = try String(contentsOfFile: "\(folder)/r.html", encoding: .utf8)
            #expect(text.utf8.count < 200_000)
            #expect(Parsed(text).error == nil)
        }
    }

    @Test func filesAreReplacedWholeOrNotAtAll() throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.write("\(folder)/a", top1: [10])
            let outcome = try Program.run("report", "\(folder)/a", "-o", "\(folder)/none/r.html")
            #expect(outcome.status == 73 && outcome.errorLines.count == 1 && outcome.output.isEmpty)
            #expect(outcome.errors.contains("none/r.html"))
        }
    }
}

@Suite("tapestry report refuses") struct ReportRefusalTests {
    @Test(
        arguments: [
            ("config.yaml", "architecture: [\n", "config.yaml:"),
            ("config.yaml", "architecture: ask/resnet8\n", "has no \"methods\""),
            ("config.yaml", "\u{0}", "config.yaml"), ("metrics.jsonl", "{\"epoch\": 1}\n", "at byte 0"),
            ("metrics.jsonl", "{", "at byte 0"), ("last.safetensors", "nonsense", "last.safetensors"),
        ])
    func damagedFiles(file: String, text: String, word: String) throws {
        try TemporaryFolder.with { folder throws in
            try RunFixtures.writePair(in: folder)
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/shaped/\(file)"))
            let outcome = try Program.run("report", folder, "-o", "\(folder)/r.html")
            #expect(outcome.status == 65, "\(outcome.errors)")
            #expect(outcome.output.isEmpty && outcome.errorLines.count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains(word) && outcome.errors.contains("\(folder)/shaped/\(file)"))
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/r.html"))
        }
    }

    @Test func foldersWithoutRuns() throws {
        try TemporaryFolder.with { folder throws in
            for (path, word) in [(folder, "no run here"), ("\(folder)/none", "no such folder")] {
                let outcome = try Program.run("report", path)
                #expect(outcome.status == 66 && outcome.errorLines.count == 1)
                #expect(outcome.errors.contains(path) && outcome.errors.contains(word), "\(outcome.errors)")
            }
        }
    }
}

/// A document's elements, attributes and text, or where it is not well-formed.
final class Parsed: NSObject, XMLParserDelegate {
    private(set) var elements: [String] = []
    private(set) var attributes: Set<String> = []
    private(set) var text = ""
    private(set) var error: String?

    init(_ document: String) {
        super.init()
        let parser = XMLParser(data: Data(document.utf8))
        parser.delegate = self
        if !parser.parse() { error = "line \(parser.lineNumber): \(String(describing: parser.parserError))" }
    }

    func count(_ element: String) -> Int { elements.count { $0 == element } }

    func parser(
        _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        elements.append(element)
        self.attributes.formUnion(attributes.keys)
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) { self.text += text }
}
