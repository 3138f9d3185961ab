import TapestryCore
import TapestryMethods
import TapestryRecipes
import TapestryRuntime
import TapestryTorch
import TapestryTraining
import Testing

/// Training is chaotic: two roundings that differ are per cents after some hundred steps. So the bound on how far the
/// engines may come apart is how far libtorch comes apart from itself when its weights start a rounding away.
@Suite("Agreement of the engines", .serialized) struct EngineAgreementTests {
    private func losses(_ graph: Graph, _ weights: Weights, _ engine: TrainingEngine, steps: Int) throws -> [Double] {
        let network = try TorchNetwork(graph, weights: weights, device: .cpu, engine: engine)
        var recipe = Recipe()
        recipe.momentum = 0.9
        let step = try TrainingStep(network, recipe: recipe, precision: .fp32)
        return try (0..<steps).map { index in
            let images = HashRule.images(Shape([16] + graph.inputShape.dimensions), parameter: 999 + index % 20)
            let labels = Tensor(shape: [16], elements: (0..<16).map { Int64((7 * $0 + index % 20) % 5) })
            return try step(
                try TorchTensor(images, memoryFormat: .channelsLast), try TorchTensor(labels), learningRate: 0.05
            ).loss
        }
    }

    @Test("200 steps: no further apart than roundings grow")
    func twoHundredSteps() throws {
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
        let weights = Weights.initial(for: graph, seed: 5)
        var moved = weights
        for name in moved.tensors.keys { moved.tensors[name]!.elements = weights.tensors[name]!.elements.map(\.nextUp) }
        let torch = try losses(graph, weights, .torch, steps: 200)
        let native = try losses(graph, weights, .native, steps: 200)
        let rounded = try losses(graph, moved, .torch, steps: 200)
        #expect(torch[0] > 1.4 && torch[199] < 0.7 * torch[0], "the network learns: \(torch[0]) to \(torch[199])")
        var growth = 1e-6
        for index in torch.indices {
            growth = max(growth, abs(rounded[index] - torch[index]) / torch[index])
            let apart = abs(native[index] - torch[index]) / torch[index]
            #expect(apart <= 10 * growth, "step \(index): \(apart) apart, roundings \(growth)")
        }
    }
}
