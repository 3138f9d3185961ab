import TapestryCUDA
import TapestryCore
import TapestryTestSupport
import TapestryTorch
import Testing

extension TorchTests {
    /// The way of CUDA kernels through libtorch's graph of gradients, with the kernels emulated.
    @Suite("Convolutions by CUDA kernels") struct KernelConvolutions {
        /// Convolutions on every kind of support, as wide as kernels ask for, beside ones that are left to libtorch.
        private static func graph() throws -> Graph {
            func convolution(_ inputs: Int, _ outputs: Int, _ support: Support, stride: Int = 1) -> Convolution {
                Convolution(
                    inputChannels: inputs, outputChannels: outputs, kernel: .square(3), stride: .square(stride),
                    padding: .all(1), hasBias: stride == 2, support: support)
            }
            let sets = try [[2, 4, 5, 6, 8], [1, 2, 4, 5]].map { try TapSet(numbers: $0) }
            let taps = Tap.all(of: .square(3))
            var grouped = convolution(16, 16, .dense)
            grouped.groups = 2
            return try Graph.build(input: [3, 9, 8]) { [grouped] image in
                image.applying(.convolution(convolution(3, 16, .dense)), named: "first")
                    .applying(.convolution(convolution(16, 32, .tapSets(sets))), named: "ask").relu("relu1")
                    .applying(.convolution(convolution(32, 16, .blockDiagonal(parts: 2), stride: 2)), named: "het")
                    .batchNorm("norm").relu("relu2")
                    .applying(
                        .convolution(convolution(16, 16, .channelTaps((0..<16).map { taps[$0 % 9] }), stride: 2)),
                        named: "shift"
                    )
                    .applying(.convolution(grouped), named: "grouped").swish("swish")
                    .flatten().linear("fc", to: 3)
            }
        }

        @Test(arguments: 0..<KernelVariant.shapeCount) func theirGradientsAreThoseOfLibtorch(shape: Int) throws {
            // libtorch allows it until it is told otherwise, which `TorchRuntime.start` does.
            try TorchRuntime.setAllowsTF32(false)
            let graph = try Self.graph()
            var stream = RandomStream(seed: 33, purpose: .test)
            let weights = stream.weights(for: graph)
            let (images, upstream) = (stream.tensor([2, 3, 9, 8]), stream.tensor([2, 3]))
            func run(emulated: Bool) throws -> [String: Tensor<Float>] {
                let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: .automatic)
                if emulated { network.emulateKernels(shape: shape) }
                let x = try TorchTensor(images, as: .float32, memoryFormat: .channelsLast)
                try x.setRequiresGrad(true)
                let y = try network.logits(of: x, mode: .training)
                try y.backward(upstream: try TorchTensor(upstream, as: .float32))
                try network.maskGradients()
                var values = try network.gradients()
                values["logits"] = try y.host()
                values["images"] = try #require(x.grad).host()
                return values
            }
            let (expected, actual) = (try run(emulated: false), try run(emulated: true))
            for (name, value) in expected {
                let scale = Double(value.elements.map { abs($0) }.max() ?? 0)
                expectClose(
                    try #require(actual[name]), value, within: Tolerance(absolute: 2e-5 * (1 + scale)), name)
            }
        }

        @Test func autocastGivesThemBfloat16() throws {
            let graph = try Self.graph()
            var stream = RandomStream(seed: 34, purpose: .test)
            let weights = stream.weights(for: graph)
            let images = try TorchTensor(stream.tensor([2, 3, 9, 8]), as: .float32, memoryFormat: .channelsLast)
            func logits(emulated: Bool) throws -> Tensor<Float> {
                let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: .automatic)
                if emulated { network.emulateKernels(shape: 2) }
                return try Torch.withAutocast(on: .cpu) { try network.logits(of: images, mode: .evaluation).host() }
            }
            let expected = try logits(emulated: false)
            let scale = Double(expected.elements.map { abs($0) }.max() ?? 0)
            expectClose(try logits(emulated: true), expected, within: Tolerance(absolute: 0.03 * (1 + scale)))
        }

        @Test func whatDoesNotFitThePlanIsRefused() throws {
            let convolution = Convolution(inputChannels: 4, outputChannels: 4, kernel: .square(3), padding: .all(1))
            let size = Size(height: 5, width: 5)
            let plan = ConvolutionPlan(
                convolution, images: 1, inputSize: size, outputSize: size, variant: KernelVariant(.fp32, shape: 2))
            let kernels = try KernelConvolution(plan, module: nil, on: .cpu)
            let x = try randomTensor([1, 4, 5, 5], key: 1)
            let kernel = try randomTensor([4, 4, 3, 3], key: 2)
            #expect(throws: TorchError.self) {
                try kernels(try randomTensor([2, 4, 5, 5], key: 1), kernel: kernel, bias: nil)
            }
            #expect(throws: TorchError.self) {
                try kernels(x, kernel: try randomTensor([4, 4, 1, 1], key: 2), bias: nil)
            }
            let expected = try x.convolution(weight: kernel, padding: [1, 1]).host()
            expectClose(
                try kernels(x, kernel: kernel, bias: nil).host(), expected, within: Tolerance(absolute: 1e-5))
        }
    }
}
