import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

private let folder = ProcessInfo.processInfo.environment["TAPESTRY_CHECKPOINTS"]

/// Ternary weights stay ternary when a network is deployed.
struct TernaryDeploymentTests {
    private static func ternaryLayers(_ model: Model) -> [String] {
        model.graph.nodes.filter { model.weightFigures(of: $0)?.isTernary == true }.map(\.name)
    }

    private static func expectSame(_ model: Model, _ deployed: Model) throws {
        var stream = RandomStream(seed: 9, purpose: .test)
        let images = stream.tensor(Shape([2] + model.graph.inputShape.dimensions))
        let values = try [model, deployed].map { try ReferenceInterpreter($0.graph, weights: $0.weights)(images) }
        expectClose(values[1], values[0], within: Tolerance(absolute: 2e-5, relative: 2e-5))
    }

    /// A network whose convolutions, and first linear layer, have ternary weights; with drawn ones otherwise.
    private static func model(
        _ input: Shape, _ build: (GraphBuilder.Value) -> GraphBuilder.Value
    ) throws -> Model {
        var stream = RandomStream(seed: 4, purpose: .test)
        let graph = try Graph.build(input: input, build)
        var weights = stream.weights(for: graph)
        for parameter in graph.parameters where parameter.name.hasPrefix("ternary") && parameter.role != .bias {
            weights.tensors[parameter.name]!.elements = (0..<parameter.shape.count).map { _ in
                [0, 0, 0.5, -0.25][stream.integer(below: 4)]
            }
        }
        return try Model(graph: graph, weights: weights)
    }

    @Test func batchNormsBecomeFactorsAndSummands() throws {
        let model = try Self.model([4, 8, 8]) {
            $0.convolution("ternary1", to: 8, kernel: 3, padding: 1, hasBias: true).batchNorm("bn1").relu()
                .convolution("dense", to: 8, kernel: 3).batchNorm("bn2").relu().globalAveragePool()
                .linear("ternary2", to: 32).batchNorm("bn3").relu().linear("fc", to: 3)
        }
        let deployed = try model.deployed().model
        #expect(
            deployed.graph.nodes.map(\.name)
                == ["ternary1", "bn1", "bn1.relu", "dense", "bn2.relu", "pool", "ternary2", "bn3", "bn3.relu", "fc"])
        #expect(deployed.graph.node(named: "bn1")?.operation == .affine(channels: 8))
        #expect(Self.ternaryLayers(deployed) == ["ternary1", "ternary2"])
        #expect(deployed.weights.tensors["ternary1.weight"] == model.weights.tensors["ternary1.weight"])
        // The convolution's own bias went on.
        #expect(deployed.weights.tensors["ternary1.bias"] == nil && deployed.weights.batchCounts.isEmpty)
        try Self.expectSame(model, deployed)
        // A deployed network is deployed already.
        let again = try deployed.deployed().model
        #expect(again.graph == deployed.graph && again.weights == deployed.weights)
        let scores = try [model, deployed].map { try ExactScoring().score($0) }
        #expect(scores[1].scoringParameters <= scores[0].scoringParameters)
        #expect(scores[1].operations <= scores[0].operations)
    }

    /// A factor and a summand cost what a batch norm costs.
    @Test func affineOperationsScoreAsBatchNormsThatStay() throws {
        let model = try SmallTernaryNetwork.packableModel()
        let deployed = try model.deployed().model
        let scores = try [model, deployed].map { try ExactScoring().score($0) }
        let (norm, affine) = (
            try #require(scores[0].groups.first { $0.name == "batch norms" }),
            try #require(scores[1].groups.first { $0.name == "scales and biases" })
        )
        #expect(affine.parameters == norm.parameters && affine.scoringParameters == norm.scoringParameters)
        #expect(affine.multiplications == norm.multiplications && affine.additions == norm.additions)
        #expect(scores[0].value(for: .cifar) == scores[1].value(for: .cifar))
    }

    /// Tiny layers, and those without a weight, take less when they are folded.
    @Test func whatIsNotWorthItIsFolded() throws {
        let model = try Self.model([1, 8, 8]) {
            $0.convolution("ternary", to: 2, kernel: 1).batchNorm("bn").globalAveragePool()
        }
        let deployed = try model.deployed().model
        #expect(deployed.graph.nodes.map(\.name) == ["ternary", "pool"])
        try Self.expectSame(model, deployed)
        // What was affine is folded once the weights before it are no longer ternary.
        var trained = try SmallTernaryNetwork.packableModel().deployed().model
        #expect(trained.graph.node(named: "bn")?.operation.kind == "affine")
        trained.weights.tensors["ternary.weight"]!.elements[1] = 7
        let folded = try trained.deployed().model
        #expect(folded.graph.node(named: "bn") == nil)
        try Self.expectSame(trained, folded)
    }

    /// The sum of two ternary kernels is none, so they stay apart; the batch norms that are not folded stay, too.
    @Test func ternaryBranchesAreNotMerged() throws {
        let model = try Self.model([8, 8, 8]) { image in
            image.convolution("ternary1", to: 8, kernel: 3, padding: 1).batchNorm("bn1")
                .adding(image.convolution("ternary2", to: 8, kernel: 3, padding: 1).batchNorm("bn2"), named: "sum")
                .adding(image.convolution("ternary3", to: 8, kernel: 3, padding: 1), named: "sums")
        }
        let deployed = try model.deployed().model
        #expect(Self.ternaryLayers(deployed) == ["ternary1", "ternary2", "ternary3"])
        try Self.expectSame(model, deployed)
        let kept = try model.deployed(.inBranches).model
        #expect(kept.graph == model.graph)
    }

    /// Where the published checkpoints are: as many ternary layers as before, and a score that is no worse.
    @Test(.enabled(if: folder != nil, "SKIPPED: TAPESTRY_CHECKPOINTS does not name the folder of the published ones"))
    func thePublishedTernaryNetwork() async throws {
        let graph = try Zoo.architecture(named: "ec2t/resnet20").graph()
        let checkpoint = try Checkpoint.read("\(try #require(folder))/resnet20_ec2t_spars64.pt")
        let model = try Model(graph: graph, weights: StateDict.weights(of: graph, from: checkpoint.tensors))
        let deployed = try model.deployed().model
        #expect(Self.ternaryLayers(deployed) == Self.ternaryLayers(model) && Self.ternaryLayers(model).count == 18)
        #expect(!deployed.graph.nodes.contains { $0.operation.kind == "batchNorm" })
        #expect(try await Certificate.compare(model, deployed, randomInputs: 2).holds)
        let scores = try [model, deployed].map { try ExactScoring().score($0).value(for: .cifar) }
        #expect(scores[1] <= scores[0])
    }
}
