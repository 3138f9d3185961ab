import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryTestSupport
import Testing

private struct ScoreDocument: Decodable {
    struct Group: Decodable {
        let name: String
        let parameters: Int
        let bytes: Double
    }

    let parameters: Int
    let sparsity: Double
    let scoringParameters: Double
    let bytes: Double
    let multiplications: Double
    let additions: Double
    let score: Double
    let task: String
    let groups: [Group]
    let storage: [String: Double]
    let departures: [String]

    enum CodingKeys: String, CodingKey {
        case parameters, sparsity, bytes, multiplications, additions, score, task, groups, storage, departures
        case scoringParameters = "scoring_parameters"
    }
}

private let checkpoints = ProcessInfo.processInfo.environment["TAPESTRY_CHECKPOINTS"]

@Suite("tapestry score")
struct ScoreTests {
    private static func withSmallModel<Result>(
        facts: [String: String] = [:], _ body: (String) throws -> Result
    ) throws -> Result {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/small.safetensors"
            try ModelFile.write(try SmallTernaryNetwork.model(facts: facts).model, to: path)
            return try body(path)
        }
    }

    @Test func smallModel() throws {
        try Self.withSmallModel { path in
            let outcome = try Program.run("score", path, "--json")
            #expect(outcome.status == 0)
            #expect(outcome.errors.isEmpty)
            let document = try outcome.json(as: ScoreDocument.self)
            let figures = try SmallTernaryNetwork.model().figures
            #expect(document.parameters == figures.parameters)
            #expect(document.sparsity == Double(figures.zeros) / Double(figures.parameters))
            #expect(document.scoringParameters == figures.scoringParameters)
            #expect(document.bytes == 4 * figures.scoringParameters)
            #expect(document.multiplications == figures.multiplications)
            #expect(document.additions == figures.additions)
            let operations = figures.multiplications + figures.additions
            #expect(document.score == figures.scoringParameters / 36.5e6 + operations / 10.49e9)
            #expect(document.task == "cifar")
            #expect(document.groups.map(\.name).first == "ternary convolutions")
            #expect(document.storage["dense"] == 42)
            #expect(
                Set(document.storage.keys) == [
                    "dense", "mask", "two_masks", "mask_signs", "csr", "cer", "entropy", "smallest",
                ])
            #expect(!document.departures.isEmpty)
            let imagenet = try Program.run("score", path, "--task", "imagenet", "--json")
            #expect(
                try imagenet.json(as: ScoreDocument.self).score == figures.scoringParameters / 6.9e6
                    + operations / 1170e6)
        }
    }

    @Test func tables() throws {
        try Self.withSmallModel { path in
            let output = try Program.run("score", path).output
            let lines = output.split(separator: "\n")
            #expect(lines.contains { $0.hasPrefix("ternary convolutions ") })
            #expect(lines.contains { $0.hasPrefix("Score ") && $0.contains("(cifar)") })
            #expect(lines.contains { $0.hasPrefix("33.33 % of all 21 parameters are zero") })
            #expect(lines.contains { $0.hasPrefix("mask and signs") })
            #expect(lines.contains { $0.hasPrefix("How the exact convention departs from the published one") })
            #expect(!lines.contains { $0.hasPrefix("fc ") })
            let withLayers = try Program.run("score", path, "--layers").output
            #expect(withLayers.split(separator: "\n").contains { $0.hasPrefix("fc ") && $0.contains(" no ") })
        }
    }

    /// Whatever the dense weights are, the published program counts them alike.
    @Test func publishedConvention() throws {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/model.safetensors"
            let graph = try Zoo.architecture(named: "ec2t/resnet20").graph()
            let model = try Model(
                graph: graph, weights: .hashed(for: graph), facts: ["architecture": "ec2t/resnet20"])
            try ModelFile.write(model, to: path)
            let outcome = try Program.run("score", path, "--convention", "published", "--bits", "32", "--json")
            let document = try outcome.json(as: ScoreDocument.self)
            #expect(document.parameters == 269_034)
            #expect(document.scoringParameters == 269_034)
            #expect(abs(document.multiplications - 20_369_728) < 1e-3)
            #expect(abs(document.additions - 40_555_136) < 1e-3)
            #expect(document.groups.map(\.name) == ["stem", "blocks", "linear"])
            // The weights are not ternary; a switch is all that it takes.
            let ternary = try Program.run("score", path, "--convention", "published", "--ternary", "--json")
            #expect(try ternary.json(as: ScoreDocument.self).scoringParameters < 20_000)
        }
    }

    @Test(
        .enabled(
            if: checkpoints != nil, "SKIPPED: TAPESTRY_CHECKPOINTS does not name the folder of the published ones"),
        arguments: [([], 56_287, 22_131_296), (["--ternary", "--tree", "--cer"], 11_810, 8_494_464)])
    func publishedFigures(switches: [String], parameters: Double, operations: Double) throws {
        let path = "\(try #require(checkpoints))/resnet20_ec2t_spars64.pt"
        let outcome = try Program.run(
            ["score", path, "--arch", "ec2t/resnet20", "--convention", "published", "--json"] + switches)
        let document = try outcome.json(as: ScoreDocument.self)
        #expect(document.scoringParameters == parameters)
        #expect(abs(document.multiplications + document.additions - operations) < 1e-3)
        #expect(abs(document.sparsity - 172_322 / 269_722) < 1e-12)
    }

    @Test(arguments: [
        (["--convention", "published"], "does not say which network it is"),
        (["--ternary"], "exact sees for itself"),
        (["--bits", "8"], "'--bits"), (["--mul-bits", "8"], "--convention published"),
        (["--convention", "published", "--add-bits", "0"], "from 1 to 64"), (["--prune-threshold", "0"], "above 0"),
        (["--task", "mnist"], "'--task"),
    ])
    func refusals(options: [String], reason: String) throws {
        try Self.withSmallModel { path in
            let outcome = try Program.run(["score", path] + options)
            #expect(outcome.status == 64)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.errors.contains(reason), "\(outcome.errors)")
        }
    }

    @Test func networksThatThePublishedProgramDoesNotKnow() throws {
        try Self.withSmallModel(facts: ["architecture": "ask/resnet8"]) { path in
            let outcome = try Program.run("score", path, "--convention", "published")
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains("the published convention does not know ask/resnet8, only ec2t/resnet20"))
            #expect(outcome.errorLines.count == 1)
        }
        try Self.withSmallModel(facts: ["architecture": "ec2t/micronet"]) { path in
            let outcome = try Program.run("score", path, "--convention", "published")
            #expect(outcome.status == 64)
            #expect(outcome.errors.contains("expects a convolution \"conv1\""))
        }
        #expect(try Program.run("score", "no-such-file.safetensors").status == 66)
    }
}
