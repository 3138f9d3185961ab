import TapestryCore
import TapestryTestSupport
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Gradients of graphs") struct LoweredGradients {
        /// Every operation through which gradients flow, but those whose slope jumps.
        private static func graph() throws -> Graph {
            let blocks = Convolution(
                inputChannels: 4, outputChannels: 6, kernel: .square(3), padding: .all(1), hasBias: true,
                support: .blockDiagonal(parts: 2))
            let taps = [0, 4, 8, 2, 2, 7].map { Tap(row: $0 / 3, column: $0 % 3) }
            let moved = Convolution(
                inputChannels: 6, outputChannels: 4, kernel: .square(3), stride: Size(height: 2, width: 1),
                padding: Padding(top: 1, left: 0, bottom: 2, right: 1), support: .channelTaps(taps))
            var crop = Convolution(
                inputChannels: 4, outputChannels: 9, kernel: Size(height: 3, width: 1),
                padding: Padding(top: 1, left: -1, bottom: 1, right: -1))
            crop.support = .tapSets([try TapSet(numbers: [1, 2], in: crop.kernel)])
            return try Graph.build(input: [4, 6, 7]) { [crop] image in
                let x = image.applying(.convolution(blocks), named: "blocks").swish("swish")
                    .applying(.convolution(moved), named: "moved").batchNorm("norm")
                    .applying(.convolution(crop), named: "crop").shift("shift")
                let gate = x.globalAveragePool("squeeze").linear("excite", to: 9).sigmoid("gate")
                return x.scalingChannels(by: gate, named: "gated").paddingChannels("wider", before: 1)
                    .averagePool("average", kernel: 2, stride: 1).dropout("dropout", probability: 0.5)
                    .dropBranch("drop", probability: 0.5).flatten().linear("fc", to: 2)
            }
        }

        /// Single precision's gradients beside the slopes of the interpreter's values in double precision.
        @Test(arguments: [TorchNetwork.Realization.masked, .smallKernels])
        func theyAreTheInterpretersSlopes(realization: TorchNetwork.Realization) throws {
            let graph = try Self.graph()
            var stream = RandomStream(seed: 21, purpose: .test)
            let weights = stream.weights(for: graph)
            let (images, upstream) = (stream.tensor([3, 4, 6, 7]), stream.tensor([3, 2]))
            func loss(_ weights: Weights, _ images: Tensor<Double>) throws -> Double {
                let y = try ReferenceInterpreter(graph, weights: weights, mode: .training)(images)
                return zip(y.elements, upstream.elements).reduce(0) { $0 + $1.0 * $1.1 }
            }
            let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: realization)
            let x = try TorchTensor(images, as: .float32, memoryFormat: .channelsLast)
            try x.setRequiresGrad(true)
            // Dropouts are the identity here, as in the interpreter.
            let y = try network.logits(of: x, mode: .inspection)
            try y.backward(upstream: try TorchTensor(upstream, as: .float32))
            try network.maskGradients()
            var gradients = try network.gradients()
            gradients["input"] = try #require(x.grad).host()
            for (name, gradient) in gradients.sorted(by: { $0.key < $1.key }) {
                for index in stride(from: 0, to: gradient.shape.count, by: 1 + gradient.shape.count / 20) {
                    // A power of two, so that the weight moves by just this much in single precision.
                    let step = 0x1p-9
                    func moved(_ offset: Double) throws -> Double {
                        guard name != "input" else {
                            var moved = images
                            moved.elements[index] += offset
                            return try loss(weights, moved)
                        }
                        var moved = weights
                        moved.tensors[name]!.elements[index] += Float(offset)
                        return try loss(moved, images)
                    }
                    let slope = (try moved(step) - moved(-step)) / (2 * step)
                    let actual = Double(gradient.elements[index])
                    #expect(abs(slope - actual) < 1e-3 * (1 + abs(slope)), "\(name)[\(index)]: \(actual), \(slope)")
                }
            }
        }

        /// What is kept is scaled up, so that the mean stays; and training differs from evaluation.
        @Test func dropoutsDropTheirShare() throws {
            for (name, isBranch) in [("dropout", false), ("dropBranch", true)] {
                let graph = try Graph.build(input: [4, 8, 8]) {
                    isBranch ? $0.dropBranch(name, probability: 0.25) : $0.dropout(name, probability: 0.25)
                }
                let network = try TorchNetwork(graph, weights: Weights(), device: .cpu)
                let x = try TorchTensor.full([400, 4, 8, 8], 1)
                let values = try network.logits(of: x, mode: .training).host().elements
                let dropped = values.count { $0 == 0 }
                #expect(values.allSatisfy { $0 == 0 || abs($0 - 4 / 3) < 1e-6 })
                let images = stride(from: 0, to: values.count, by: 256).map { Set(values[$0..<$0 + 256]) }
                #expect(images.allSatisfy { $0.count == (isBranch ? 1 : 2) })
                #expect(abs(Double(dropped) / Double(values.count) - 0.25) < (isBranch ? 0.1 : 0.01))
                #expect(try network.logits(of: x, mode: .evaluation).host().elements.allSatisfy { $0 == 1 })
                #expect(network.drawsRandomNumbers)
            }
        }

        /// Composition with bfloat16: the convolutions of every support run in it.
        @Test(arguments: [
            Support.blockDiagonal(parts: 2), .tapSets([try! TapSet(numbers: [2, 4, 5, 6, 8])]),
            .channelTaps([Tap(row: 0, column: 0), Tap(row: 1, column: 2)]),
        ])
        func supportsRunInBfloat16(support: Support) throws {
            let convolution = Convolution(
                inputChannels: 2, outputChannels: 4, kernel: .square(3), padding: .all(1), support: support)
            let graph = try Graph.build(input: [2, 6, 6]) { $0.applying(.convolution(convolution), named: "conv") }
            var stream = RandomStream(seed: 22, purpose: .test)
            let (weights, images) = (stream.weights(for: graph), stream.tensor([2, 2, 6, 6]))
            for realization in [TorchNetwork.Realization.masked, .smallKernels] {
                let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: realization)
                let x = try TorchTensor(images, as: .float32, memoryFormat: .channelsLast)
                let y = try Torch.withAutocast(on: .cpu) { try network.logits(of: x, mode: .training) }
                #expect(y.dataType == .bfloat16)
                let value = try y.to(as: .float32).host()
                let expected = try ReferenceInterpreter(graph, weights: weights)(images)
                expectClose(value, expected, within: Tolerance(absolute: 0.02, relative: 0.02))
            }
        }
    }
}
