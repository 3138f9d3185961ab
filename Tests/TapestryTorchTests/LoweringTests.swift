import TapestryCore
import TapestryTestSupport
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Lowering") struct Lowering {
        /// The published layer's values and gradients, recorded from its own code.
        @Test(arguments: try! ASKLayerCase.all())
        func publishedLayers(layer: ASKLayerCase) throws {
            let tensors = try ASKLayerCase.tensors()
            func tensor(_ suffix: String) throws -> Tensor<Float> { try #require(tensors["\(layer.name).\(suffix)"]) }
            let convolution = try layer.convolution
            let input = try tensor("x")
            let graph = Graph(
                inputShape: Shape(Array(input.shape.dimensions.dropFirst())),
                nodes: [Node(name: "layer", operation: .convolution(convolution), inputs: [Graph.inputName])],
                outputName: "layer")
            var weights = Weights()
            for (piece, stored) in zip(convolution.storedWeights, try layer.storedWeights(tensors)) {
                weights.tensors["layer.\(piece.suffix)"] = stored
            }
            let network = try TorchNetwork(graph, weights: weights, device: .cpu)
            let x = try TorchTensor(input, memoryFormat: .channelsLast)
            try x.setRequiresGrad(true)
            let y = try network.logits(of: x, mode: .training)
            try y.backward(upstream: try TorchTensor(try tensor("g"), memoryFormat: .channelsLast))
            try network.maskGradients()

            expectClose(try y.host(), try tensor("y"), within: Tolerance(absolute: 1e-5), "y")
            expectClose(try #require(x.grad).host(), try tensor("dx"), within: Tolerance(absolute: 1e-5), "dx")
            let gradient = try #require(network.parameters[0].value.grad).host()
            let masked = convolution.storedWeights(from: gradient)
            for (index, piece) in masked.enumerated() {
                let expected = try tensor("conv\(index).dweight")
                expectClose(
                    piece.reshaped(to: expected.shape), expected, within: Tolerance(absolute: 2e-4), "dweight \(index)")
            }
            #expect(convolution.denseWeights(from: masked) == gradient, "a gradient lies off the support")
        }

        @Test func randomNetworksAgreeWithTheInterpreter() throws {
            try RandomRounds.run(60) { stream in
                let graph = stream.graph()
                let weights = stream.weights(for: graph)
                let images = stream.tensor(Shape([3] + graph.inputShape.dimensions))
                let network = try TorchNetwork(graph, weights: weights, device: .cpu)
                let x = try TorchTensor(images, as: .float32, memoryFormat: .channelsLast)
                for (mode, reference) in [
                    (TorchNetwork.Mode.evaluation, ReferenceInterpreter.Mode.evaluation), (.inspection, .training),
                ] {
                    let expected = try ReferenceInterpreter(graph, weights: weights, mode: reference)(images)
                    let actual = try Torch.withoutGradients { try network.logits(of: x, mode: mode) }.host()
                    let largest = expected.elements.map(abs).max() ?? 0
                    // Batch norms of nearly constant channels magnify rounding.
                    let slack = mode == .evaluation ? 1e-5 : 1e-3
                    expectClose(
                        actual, expected, within: Tolerance(absolute: slack * (1 + largest)), "\(mode) \(graph)")
                }
            }
        }

        @Test func weightsComeBackAsTheyWere() throws {
            let graph = try Graph.everyOperation()
            var stream = RandomStream(seed: 3, purpose: .test)
            let weights = stream.weights(for: graph)
            let network = try TorchNetwork(graph, weights: weights, device: .cpu)
            #expect(try network.weights() == weights)
        }

        @Test func trainingMovesStatisticsAndInspectionDoesNot() throws {
            let graph = try Graph.build(input: [2, 4, 4]) { $0.batchNorm("bn").globalAveragePool() }
            var stream = RandomStream(seed: 4, purpose: .test)
            let weights = stream.weights(for: graph)
            let network = try TorchNetwork(graph, weights: weights, device: .cpu)
            let x = try TorchTensor(stream.tensor([3, 2, 4, 4]), as: .float32)
            _ = try network.logits(of: x, mode: .inspection)
            #expect(try network.weights() == weights)
            _ = try network.logits(of: x, mode: .training)
            let moved = try network.weights()
            #expect(moved.tensors["bn.running_mean"] != weights.tensors["bn.running_mean"])
            #expect(moved.batchCounts["bn.num_batches_tracked"] == weights.batchCounts["bn.num_batches_tracked"]! + 1)
        }

        @Test func theFirstNodeThatIsNotFiniteIsNamed() throws {
            let graph = try Graph.build(input: [1, 4, 4]) {
                $0.convolution("a", to: 2, kernel: 1).relu().convolution("b", to: 2, kernel: 1).globalAveragePool()
            }
            var stream = RandomStream(seed: 5, purpose: .test)
            var weights = stream.weights(for: graph)
            let x = try TorchTensor(stream.tensor([1, 1, 4, 4]), as: .float32)
            #expect(
                try TorchNetwork(graph, weights: weights, device: .cpu).firstNonFiniteNode(for: x) == nil)
            weights.tensors["b.weight"]!.elements[0] = .nan
            #expect(
                try TorchNetwork(graph, weights: weights, device: .cpu).firstNonFiniteNode(for: x) == "b")
        }

        @Test func offTheSupportWeightsStayZeroUnderEveryOptimizer() throws {
            var convolution = Convolution(inputChannels: 2, outputChannels: 4, kernel: .square(3), padding: .all(1))
            convolution.support = .tapSets([try TapSet(numbers: [1, 5]), try TapSet(numbers: [2, 4, 9])])
            let graph = try Graph.build(input: [2, 5, 5]) {
                $0.applying(.convolution(convolution), named: "conv").globalAveragePool()
            }
            var stream = RandomStream(seed: 6, purpose: .test)
            let weights = stream.weights(for: graph)
            for makeOptimizer: ([ParameterGroup]) throws -> any Optimizer in [
                { try SGD(groups: $0, momentum: 0.9, nesterov: true) }, { try Adam(groups: $0) },
                { try AdamW(groups: $0) },
            ] {
                let network = try TorchNetwork(graph, weights: weights, device: .cpu)
                let optimizer = try makeOptimizer([
                    ParameterGroup(parameters: network.namedParameters, weightDecay: 0.1)
                ])
                for _ in 0..<3 {
                    let x = try TorchTensor(stream.tensor([2, 2, 5, 5]), as: .float32, memoryFormat: .channelsLast)
                    try optimizer.clearGradients()
                    try network.logits(of: x, mode: .training).sum().backward()
                    try network.maskGradients()
                    try optimizer.step(learningRate: 0.1)
                }
                let dense = try network.parameters[0].value.host()
                let stored = convolution.storedWeights(from: dense)
                #expect(convolution.denseWeights(from: stored) == dense)
                #expect(stored[0] != weights.tensors["conv.conv0.weight"])
            }
        }
    }
}
