import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

/// The way back: weights of one network in the form of another that computes the same.
struct RetrainingTests {
    private static func model(_ graph: Graph, seed: UInt64 = 8) throws -> Model {
        var stream = RandomStream(seed: seed, purpose: .test)
        return try Model(graph: graph, weights: stream.weights(for: graph), facts: ["a": "b"])
    }

    private static func graph(_ architecture: String, _ method: String) throws -> Graph {
        try MethodAssignment(method: method).network(of: try Zoo.architecture(named: architecture))
    }

    private static func transfer(_ model: Model, to target: Graph) throws -> Model {
        try model.retrainable(as: target, initial: Weights.initial(for: target, seed: 2))
    }

    private static func expectSame(_ a: Model, _ b: Model) async throws {
        let certificate = try await Certificate.compare(a, b, randomInputs: 2)
        #expect(certificate.holds, "\(certificate)")
    }

    @Test(arguments: [
        ("ask/resnet8", "dense", "acb"), ("ask/resnet8", "ask:ASK_5a", "acb,ask:ASK_5a"),
        ("ask/resnet8", "acb", "dense"),
        ("ask/resnet8", "ask:ASK_4a", "dense"), ("shift/resnet20", "shift:1", "shift:1"),
        ("acnet/cifar-quick", "dense", "acb"), ("acnet/cifar-quick", "acb", "dense"),
    ])
    func networksChangeTheirFormAndNothingElse(architecture: String, from: String, to: String) async throws {
        let source = try Self.model(Self.graph(architecture, from))
        let target = try Self.graph(architecture, to)
        let trainable = try Self.transfer(source, to: target)
        #expect(trainable.graph == target && trainable.facts == ["a": "b"])
        try await Self.expectSame(source, trainable)
        try await Self.expectSame(source, try Self.transfer(source.deployed().model, to: target))
    }

    /// Statistics and all: training goes on where it was.
    @Test func batchNormsAreKept() throws {
        let source = try Self.model(Self.graph("ask/resnet8", "dense"))
        #expect(try Self.transfer(source, to: source.graph).weights == source.weights)
        let blocks = try Self.transfer(source, to: Self.graph("ask/resnet8", "acb")).weights
        for suffix in ["weight", "bias", "running_mean", "running_var"] {
            #expect(blocks.tensors["conv1.square_bn.\(suffix)"] == source.weights.tensors["bn1.\(suffix)"])
        }
        #expect(
            blocks.batchCounts["conv1.square_bn.num_batches_tracked"]
                == source.weights.batchCounts["bn1.num_batches_tracked"])
        #expect(blocks.tensors["conv1.square_conv.weight"] == source.weights.tensors["conv1.weight"])
        // Bars add nothing yet, but can learn from the first step on.
        let bar = try #require(blocks.tensors["conv1.ver_conv.weight"])
        #expect(blocks.tensors["conv1.ver_bn.weight"]?.elements.allSatisfy { $0 == 0 } == true)
        #expect(bar.elements.contains { $0 != 0 })
    }

    /// A deployed ternary network is ternary again under batch norms, under affine operations, and where there are neither.
    @Test func ternaryWeightsComeBackTernary() async throws {
        let source = try SmallTernaryNetwork.packableModel()
        let deployed = try source.deployed().model
        #expect(deployed.graph != source.graph)
        for target in [source.graph, deployed.graph] {
            for model in [source, deployed] {
                let trainable = try Self.transfer(model, to: target)
                try await Self.expectSame(source, trainable)
                #expect(trainable.weights.tensors["ternary.weight"] == source.weights.tensors["ternary.weight"])
            }
        }
        let plain = try Graph.build(input: [4, 8, 8]) {
            $0.convolution("ternary", to: 8, kernel: 3, padding: 1, hasBias: true).relu("relu")
                .convolution("sparse", to: 8, kernel: 3, padding: 1).globalAveragePool("pool").linear("fc", to: 3)
        }
        try await Self.expectSame(source, try Self.transfer(deployed, to: plain))
        let folded = try Self.transfer(deployed, to: plain)
        try await Self.expectSame(source, try Self.transfer(folded, to: deployed.graph))
    }

    @Test func weightsOffTheSupportAreNotLost() throws {
        let source = try Self.model(Self.graph("ask/resnet8", "dense"))
        let target = try Self.graph("ask/resnet8", "ask:ASK_5a")
        #expect {
            try Self.transfer(source, to: target)
        } throws: { error in
            "\(error)".contains("node \"conv1\": 192 weights of \"conv1\" lie where this layer has none")
        }
        // Those that are zero are no loss.
        var sparse = source
        for node in target.nodes {
            guard case .convolution(let convolution) = node.operation else { continue }
            let name = "\(node.name).weight"
            sparse.weights.tensors[name] = convolution.denseWeights(
                from: convolution.storedWeights(from: source.weights.tensors[name]!))
        }
        let trainable = try Self.transfer(sparse, to: target)
        #expect(try trainable.deployed().graph.nodes.count == sparse.deployed().graph.nodes.count)
    }

    @Test(arguments: [
        ("ask/resnet8", "ask/resnet14"), ("ask/resnet8", "ec2t/lenet5"), ("ask/resnet14", "shift/resnet20"),
    ])
    func otherNetworksAreRefused(from: String, to: String) throws {
        let source = try Self.model(Self.graph(from, "dense"))
        #expect(throws: GraphError.self) { try Self.transfer(source, to: Self.graph(to, "dense")) }
    }
}
