import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

struct ExactScoreTests {
    @Test func smallNetworkByHand() throws {
        let (model, figures) = try SmallTernaryNetwork.model()
        let score = try ExactScoring().score(model)
        #expect(
            score.groups.map(\.name) == [
                "ternary convolutions", "batch norms", "activations", "pools", "linear layers",
            ])
        #expect(score.groups.map(\.scoringParameters) == [27 / 32, 2, 0, 0, 4.5])
        #expect(score.groups.map(\.multiplications) == [4.5, 9, 9, 1, 3])
        #expect(score.groups.map(\.additions) == [9 * 33 / 32, 18, 0, 16, 6])
        #expect(score.groups[0].layers[0].format == .maskAndSigns)
        #expect(score.groups[0].layers[0].deadOutputs == 1)
        #expect(score.parameters == figures.parameters)
        #expect(score.scoringParameters == figures.scoringParameters)
        #expect(score.bytes == 4 * figures.scoringParameters)
        #expect(score.multiplications == figures.multiplications)
        #expect(score.additions == figures.additions)
        #expect(score.sparsity == Double(figures.zeros) / Double(figures.parameters))
        let parameters = figures.scoringParameters
        #expect(score.value(for: .cifar) == parameters / 36.5e6 + score.operations / 10.49e9)
        #expect(score.value(for: .imagenet) == parameters / 6.9e6 + score.operations / 1170e6)
    }

    @Test func singlePrecision() throws {
        let (model, _) = try SmallTernaryNetwork.model()
        let score = try ExactScoring(precision: .single).score(model)
        // Weights of 32 bits are whole parameters, multiplications whole operations; the one magnitude has 16 bits more.
        #expect(score.groups.map(\.scoringParameters) == [43 / 32, 4, 0, 0, 9])
        #expect(score.multiplications == 53)
        #expect(score.groups[0].additions == 18)
    }

    /// Two magnitudes: two products. Two positive operands make one addition of 16 bits; the products and the bias one of 32
    /// each.
    @Test func twoMagnitudesAndABias() throws {
        let graph = try Graph.build(input: [4, 1, 1]) { $0.convolution("conv", to: 1, kernel: 1, hasBias: true) }
        let weights = Weights(tensors: [
            "conv.weight": Tensor(shape: [1, 4, 1, 1], elements: [0.5, 0.5, 0, -0.25]),
            "conv.bias": Tensor(shape: [1], elements: [1]),
        ])
        let score = try ExactScoring().score(try Model(graph: graph, weights: weights))
        #expect(score.multiplications == 1)
        #expect(score.additions == 2.5)
    }

    @Test func everyOperationCounts() throws {
        let graph = try Graph.everyOperation()
        let model = try Model(graph: graph, weights: .hashed(for: graph))
        let score = try ExactScoring().score(model)
        #expect(score.parameters == score.allParameters)
        #expect(score.parameters == (try Count(graph)).parameters)
        let named = Set(score.groups.flatMap { $0.layers.map(\.name) })
        let silent: Set<String> = ["shift", "padChannels", "stopGradient", "dropout", "dropBranch", "flatten"]
        #expect(named == Set(graph.nodes.filter { !silent.contains($0.operation.kind) }.map(\.name)))
        #expect(score.groups.allSatisfy { $0.additions >= 0 && $0.multiplications >= 0 && $0.bytes >= 0 })
    }

    /// A dense layer multiplies once for each weight that is not zero, at every position: half an operation at 16 bits.
    @Test(arguments: ["dense", "ask:ASK_5a", "hetconv:4"])
    func denseLayersMultiplyAsCounted(method: String) throws {
        let architecture = try Zoo.architecture(named: "hetconv/vgg16")
        let graph = try MethodAssignment(method: method).network(of: architecture, NetworkOptions())
        let score = try ExactScoring().score(try Model(graph: graph, weights: .hashed(for: graph)))
        let products = score.groups.filter { $0.name == "convolutions" || $0.name == "linear layers" }
        #expect(products.reduce(0) { $0 + 2 * $1.multiplications } == Double(try Count(graph).macs))
    }
}
