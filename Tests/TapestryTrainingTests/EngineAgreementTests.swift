import TapestryCore
import TapestryMethods
import TapestryRecipes
import TapestryRuntime
import TapestryTorch
import TapestryTraining
import Testing

/// The engines differ by roundings alone, some 1e-7 of the loss, until one of them moves a value over zero at a ReLU; that
/// makes some 1e-5 of it, which grows. With momentum, or at high rates, growth is chaotic: libtorch comes apart from
/// itself by per cents when its weights start a rounding away. So the steps here are plain ones.
@Suite("Agreement of the engines", .serialized) struct EngineAgreementTests {
    private func losses(_ graph: Graph, _ weights: Weights, _ engine: TrainingEngine, steps: Int) throws -> [Double] {
        let network = try TorchNetwork(graph, weights: weights, device: .cpu, engine: engine)
        var recipe = Recipe()
        recipe.momentum = 0
        let step = try TrainingStep(network, recipe: recipe, precision: .fp32)
        return try (0..<steps).map { index in
            let images = HashRule.images(Shape([16] + graph.inputShape.dimensions), parameter: 999 + index % 20)
            let labels = Tensor(shape: [16], elements: (0..<16).map { Int64((7 * $0 + index % 20) % 5) })
            return try step(
                try TorchTensor(images, memoryFormat: .channelsLast), try TorchTensor(labels), learningRate: 0.05
            ).loss
        }
    }

    @Test("200 steps: apart by 1e-4 of the loss in the first 20, by 1e-2 in all", arguments: [5, 6, 7] as [UInt64])
    func twoHundredSteps(seed: UInt64) throws {
        let sets = try [TapSet(numbers: [2, 4, 5, 6]), TapSet(numbers: [4, 5, 6, 8])]
        let shaped = Operation.convolution(
            Convolution(
                inputChannels: 8, outputChannels: 16, kernel: .square(3), stride: .square(2), padding: .all(1),
                support: .tapSets(sets)))
        let graph = try Graph.build(input: [3, 12, 12]) { image in
            let x = image.convolution("a", to: 8, kernel: 3, padding: 1).batchNorm("a.bn").relu("a.relu")
            let y = x.convolution("b", to: 8, kernel: 3, padding: 1).batchNorm("b.bn").adding(x, named: "sum")
            return y.relu("sum.relu").applying(shaped, named: "c").batchNorm("c.bn").relu("c.relu")
                .globalAveragePool().linear("fc", to: 5)
        }
        let weights = Weights.initial(for: graph, seed: seed)
        let torch = try losses(graph, weights, .torch, steps: 200)
        let native = try losses(graph, weights, .native, steps: 200)
        // Batches come again after 20 steps.
        #expect(torch[180] < torch[0], "the network learns: \(torch[0]) to \(torch[180])")
        for index in torch.indices {
            let apart = abs(native[index] - torch[index]) / torch[index]
            #expect(apart <= (index < 20 ? 1e-4 : 1e-2), "step \(index): \(apart) apart")
        }
    }
}
