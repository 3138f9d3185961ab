import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

private let folder = ProcessInfo.processInfo.environment["TAPESTRY_CHECKPOINTS"]

/// The published convention against every recorded count of the published program.
struct PublishedScoreTests {
    private static let relative = Tolerance(absolute: 1e-12, relative: 1e-9)

    @Test(arguments: try! ScoringCase.all().filter { !$0.isOfCheckpoint })
    func hashedNetworks(recorded: ScoringCase) throws { try Self.expectEqual(recorded) }

    @Test(
        .enabled(
            if: folder != nil, "SKIPPED: TAPESTRY_CHECKPOINTS does not name the folder of the published ones"),
        arguments: try! ScoringCase.all().filter(\.isOfCheckpoint))
    func checkpointNetworks(recorded: ScoringCase) throws { try Self.expectEqual(recorded) }

    /// `--mul-bits` and `--add-bits` are factors of the operations, and of nothing else.
    @Test func bitsOfOperations() throws {
        let recorded = try #require(try ScoringCase.all().first { !$0.isOfCheckpoint })
        let (model, architecture) = try recorded.model()
        let usual = try PublishedScoring(switches: recorded.switches).score(model, architecture: architecture)
        let other = try PublishedScoring(switches: recorded.switches, multiplicationBits: 8, additionBits: 24)
            .score(model, architecture: architecture)
        expectClose(other.multiplications, usual.multiplications / 2, within: Self.relative)
        expectClose(other.additions, usual.additions * 0.75, within: Self.relative)
        #expect(other.scoringParameters == usual.scoringParameters)
    }

    @Test func smallDepthwiseWeightsArePruned() throws {
        let graph = try Graph.build(input: [2, 4, 4]) {
            $0.convolution("depthwise", to: 2, kernel: 1, groups: 2).convolution("point", to: 2, kernel: 1)
                .globalAveragePool("pool").linear("fc", to: 2)
        }
        var weights = Weights.hashed(for: graph)
        weights.tensors["depthwise.weight"] = Tensor(shape: [2, 1, 1, 1], elements: [-4, 1])
        weights.tensors["point.weight"] = Tensor(shape: [2, 2, 1, 1], elements: [4, 1, 4, 1])
        let model = try Model(graph: graph, weights: weights)
        #expect(model.pruningDepthwise(below: 0.25).weights.tensors == weights.tensors)
        let pruned = model.pruningDepthwise(below: 0.3)
        #expect(pruned.weights.tensors["depthwise.weight"]?.elements == [-4, 0])
        #expect(pruned.weights.tensors["point.weight"] == weights.tensors["point.weight"])
    }

    private static func expectEqual(_ recorded: ScoringCase) throws {
        let (model, architecture) = try recorded.model()
        let precision = try #require(ScoringPrecision(rawValue: recorded.bits))
        let score = try PublishedScoring(precision: precision, switches: recorded.switches)
            .score(model, architecture: architecture)
        // The sums of EfficientNet's shortcuts are a group with us, and in the totals only there.
        let groups = score.groups.filter { $0.name != "shortcuts" }
        #expect(groups.count == recorded.groups.count)
        for (group, expected) in zip(groups, recorded.groups) {
            let name = "\(recorded.name) \(expected.type)"
            #expect(group.parameters == expected.params, "\(name)")
            #expect(group.scoringParameters == Double(expected.scoringParameters), "\(name)")
            expectClose(group.bytes, expected.megabytes * 1e6, within: relative, name)
            expectClose(group.multiplications, expected.multiplications * 1e6, within: relative, name)
            expectClose(group.additions, expected.additions * 1e6, within: relative, name)
            guard !expected.layers.isEmpty else { continue }
            #expect(group.layers.count == expected.layers.count, "\(name)")
            for (layer, parameters) in zip(group.layers, expected.layers) {
                expectClose(layer.scoringParameters, parameters, within: relative, "\(name) \(layer.name)")
            }
            #expect(group.parameters - group.layers.reduce(0) { $0 + $1.parameters } == expected.biases, "\(name)")
        }
        let totals = recorded.totals
        #expect(score.parameters == totals.params)
        #expect(score.scoringParameters == Double(totals.scoringParameters))
        #expect(score.allParameters == totals.allParameters)
        #expect(score.zeros == totals.zeros)
        expectClose(score.sparsity, totals.sparsity, within: relative)
        expectClose(score.bytes, totals.megabytes * 1e6, within: relative)
        expectClose(score.multiplications, totals.multiplications * 1e6, within: relative)
        expectClose(score.additions, totals.additions * 1e6, within: relative)
        expectClose(score.operations, totals.operations * 1e6, within: relative)
    }

    @Test func whatTheProgramDoesNotKnowIsRefused() throws {
        func model(_ name: String, _ method: String = "dense", size: Int? = nil) throws -> Model {
            let graph = try MethodAssignment(method: method).network(
                of: try Zoo.architecture(named: name), NetworkOptions(imageSize: size))
            return try Model(graph: graph, weights: .hashed(for: graph))
        }
        let published = PublishedScoring()
        let other = #expect(throws: ScoringError.self) {
            try published.score(try model("ask/resnet20"), architecture: "ask/resnet20")
        }
        #expect(other?.description.contains("does not know ask/resnet20, only ec2t/resnet20 ") == true)
        #expect(throws: ScoringError.self) {
            try published.score(try model("ec2t/efficientnet-b0", size: 64), architecture: "ec2t/efficientnet-b0")
        }
        let shaped = #expect(throws: ScoringError.self) {
            try published.score(try model("ec2t/resnet20", "ask:ASK_5a"), architecture: "ec2t/resnet20")
        }
        #expect(shaped?.description.contains("\"conv1\"") == true)
        let misnamed = #expect(throws: ScoringError.self) {
            try published.score(try model("ec2t/resnet20"), architecture: "ec2t/efficientnet-b1")
        }
        #expect(misnamed?.description.contains("\"_conv_stem\"") == true)
    }
}

/// The exact convention on the recorded networks, against counts made independently of the published program.
struct ExactScoreOfPublishedNetworksTests {
    @Test(arguments: ["micronet", "resnet18"])
    func weightsThatAreNotZero(name: String) throws {
        let start = name == "micronet" ? "micronet_c100_hash.committed.bits16" : "resnet18_hash.committed.bits16"
        let recorded = try #require(try ScoringCase.all().first { $0.name == start })
        let expected = try #require(try ScoringCase.exactCounts()[name])
        let score = try ExactScoring().score(try recorded.model().model)
        func group(_ name: String) -> Score.Group? { score.groups.first { $0.name == name } }
        // The stem and the convolutions of shortcuts are dense; those in blocks are ternary.
        let blocks = try #require(group("ternary convolutions"))
        #expect(blocks.layers.count == expected["block_convs"]?.layers)
        #expect(blocks.layers.reduce(0) { $0 + $1.nonzeros } == expected["block_convs"]?.nonzeroWeights)
        let dense = try #require(group("convolutions"))
        let others = ["stem", "shortcut"].compactMap { expected[$0] }
        #expect(dense.layers.count == others.reduce(0) { $0 + $1.layers })
        #expect(dense.parameters == others.reduce(0) { $0 + $1.weights })
        // At 16 bits a multiplication is half an operation.
        #expect(2 * dense.multiplications == Double(others.reduce(0) { $0 + $1.macs }))
        #expect(score.parameters == score.allParameters)
    }
}
