import TapestryCore
import TapestryTestSupport
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Lowering") struct Lowering {
        /// The published layer's values and gradients, recorded from its own code.
        @Test(arguments: try! ASKLayerCase.all(), [TorchNetwork.Realization.masked, .smallKernels])
        func publishedLayers(layer: ASKLayerCase, realization: TorchNetwork.Realization) throws {
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
            let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: realization)
            let x = try TorchTensor(input, memoryFormat: .channelsLast)
            try x.setRequiresGrad(true)
            let y = try network.logits(of: x, mode: .training)
            try y.backward(upstream: try TorchTensor(try tensor("g"), memoryFormat: .channelsLast))
            try network.maskGradients()

            expectClose(try y.host(), try tensor("y"), within: Tolerance(absolute: 1e-5), "y")
            expectClose(try #require(x.grad).host(), try tensor("dx"), within: Tolerance(absolute: 1e-5), "dx")
            for (name, gradient) in try network.gradients() {
                let expected = try tensor(String(name.dropFirst("layer.".count)).replacing(".weight", with: ".dweight"))
                expectClose(gradient.reshaped(to: expected.shape), expected, within: Tolerance(absolute: 2e-4), name)
            }
            let kernels = convolution.isDense ? 0 : network.parameters.count
            #expect(kernels == 1 || realization == .smallKernels)
        }

        @Test func randomNetworksAgreeWithTheInterpreter() throws {
            try RandomRounds.run(60) { stream in
                let graph = stream.graph()
                let weights = stream.weights(for: graph)
                let images = stream.tensor(Shape([3] + graph.inputShape.dimensions))
                let network = try TorchNetwork(
                    graph, weights: weights, device: .cpu, realization: stream.chance(0.5) ? .masked : .smallKernels)
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

        /// A case in which libtorch reads beyond the image if it is given the strides of channels last.
        @Test func oneChannelWithUnevenStridesIsReadWithin() throws {
            let convolution = Convolution(
                inputChannels: 1, outputChannels: 4, kernel: Size(height: 2, width: 3),
                stride: Size(height: 1, width: 2))
            let graph = try Graph.build(input: [1, 6, 3]) {
                $0.applying(.convolution(convolution), named: "conv").flatten()
            }
            var stream = RandomStream(seed: 9, purpose: .test)
            let weights = stream.weights(for: graph)
            let images = stream.tensor([3, 1, 6, 3])
            let pixels = images.map { Float($0) }
            let x = try pixels.elements.withUnsafeBytes { bytes in
                try TorchTensor(
                    bytes: bytes, of: .float32, shape: [3, 1, 6, 3], strides: [18, 1, 3, 1], memoryFormat: .channelsLast
                )
            }
            let network = try TorchNetwork(graph, weights: weights, device: .cpu)
            let actual = try Torch.withoutGradients { try network.logits(of: x, mode: .evaluation) }.host()
            expectClose(
                actual, try ReferenceInterpreter(graph, weights: weights)(images), within: Tolerance(absolute: 1e-5))
        }

        @Test func autocastReachesConvolutionsAndLinearLayers() throws {
            let graph = try Graph.build(input: [3, 6, 6]) { $0.convolution("conv", to: 4, kernel: 3).flatten() }
            var stream = RandomStream(seed: 10, purpose: .test)
            let network = try TorchNetwork(graph, weights: stream.weights(for: graph), device: .cpu)
            let x = try TorchTensor(stream.tensor([2, 3, 6, 6]), as: .float32, memoryFormat: .channelsLast)
            let logits = try Torch.withAutocast(on: .cpu) { try network.logits(of: x, mode: .evaluation) }
            #expect(logits.dataType == .bfloat16)
        }

        /// Rectangles of two sizes and several places, in an image with room on some sides only.
        @Test func windowsAgreeWithTheInterpreter() throws {
            let shapes = [
                [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]], [[2, 5], [4, 5], [5, 6], [5, 8]],
                [[2, 5, 8], [4, 5, 6]], [[5], [9]], [[1, 2, 3], [7, 8, 9]], [[5, 6]],
            ]
            for (index, sets) in shapes.enumerated() {
                for padding in [Padding.all(1), .none, Padding(top: 0, left: 2, bottom: 3, right: 1)] {
                    var convolution = Convolution(
                        inputChannels: 3, outputChannels: 4, kernel: .square(3), padding: padding,
                        hasBias: index % 2 == 0)
                    convolution.support = .tapSets(try sets.map { try TapSet(numbers: $0) })
                    let graph = try Graph.build(input: [3, 6, 7]) {
                        $0.applying(.convolution(convolution), named: "conv").flatten()
                    }
                    var stream = RandomStream(seed: 8, purpose: .test, UInt64(index))
                    let weights = stream.weights(for: graph)
                    let images = stream.tensor([2, 3, 6, 7])
                    let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: .smallKernels)
                    let x = try TorchTensor(images, as: .float32, memoryFormat: .channelsLast)
                    let actual = try Torch.withoutGradients { try network.logits(of: x, mode: .evaluation) }.host()
                    expectClose(
                        actual, try ReferenceInterpreter(graph, weights: weights)(images),
                        within: Tolerance(absolute: 1e-5), "\(sets) \(padding)")
                    #expect(try network.weights() == weights)
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

        /// Weights off the support stay zero: in full kernels, and in the 1x1 kernel that runs beside a block diagonal.
        @Test func offTheSupportWeightsStayZeroUnderEveryOptimizer() throws {
            let sets = Support.tapSets([try TapSet(numbers: [1, 5]), try TapSet(numbers: [2, 4, 9])])
            for (support, realization) in [
                (sets, TorchNetwork.Realization.masked), (.blockDiagonal(parts: 2), .masked),
                (.blockDiagonal(parts: 2), .smallKernels),
            ] {
                let convolution = Convolution(
                    inputChannels: 2, outputChannels: 4, kernel: .square(3), padding: .all(1), support: support)
                let graph = try Graph.build(input: [2, 5, 5]) {
                    $0.applying(.convolution(convolution), named: "conv").globalAveragePool()
                }
                for makeOptimizer: ([ParameterGroup]) throws -> any Optimizer in [
                    { try SGD(groups: $0, momentum: 0.9, nesterov: true) }, { try Adam(groups: $0) },
                    { try AdamW(groups: $0) },
                ] {
                    try Self.expectWeightsOnTheSupport(graph, realization, makeOptimizer)
                }
            }
        }

        private static func expectWeightsOnTheSupport(
            _ graph: Graph, _ realization: TorchNetwork.Realization,
            _ makeOptimizer: ([ParameterGroup]) throws -> any Optimizer
        ) throws {
            var stream = RandomStream(seed: 6, purpose: .test)
            let weights = stream.weights(for: graph)
            let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: realization)
            let before = try network.parameters.map { try $0.value.host() }
            let optimizer = try makeOptimizer([ParameterGroup(parameters: network.namedParameters, weightDecay: 0.1)])
            for _ in 0..<3 {
                let x = try TorchTensor(stream.tensor([2, 2, 5, 5]), as: .float32, memoryFormat: .channelsLast)
                try optimizer.clearGradients()
                try network.logits(of: x, mode: .training).sum().backward()
                try network.maskGradients()
                try optimizer.step(learningRate: 0.1)
            }
            let after = try network.parameters.map { try $0.value.host() }
            #expect(before.flatMap(\.elements).contains(0))
            for (old, new) in zip(before.flatMap(\.elements), after.flatMap(\.elements)) {
                #expect((old == 0) == (new == 0) && (old == 0 || old != new))
            }
            let trained = try network.weights()
            #expect(try TorchNetwork(graph, weights: trained, device: .cpu).weights() == trained)
        }
    }
}
