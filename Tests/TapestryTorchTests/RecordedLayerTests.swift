import TapestryCore
import TapestryMethods
import TapestryTestSupport
import TapestryTorch
import Testing

extension TorchTests {
    /// Layers of published code: values, gradients and running statistics, recorded from that code itself.
    @Suite("Recorded layers") struct RecordedLayers {
        /// A network's step: its value for the recorded images, and gradients for the recorded upstream one.
        private static func step(
            _ network: TorchNetwork, _ tensors: [String: Tensor<Float>]
        ) throws -> (y: Tensor<Float>, dx: Tensor<Float>) {
            let x = try TorchTensor(try #require(tensors["x"]), memoryFormat: .channelsLast)
            try x.setRequiresGrad(true)
            let y = try network.logits(of: x, mode: .training)
            try y.backward(upstream: try TorchTensor(try #require(tensors["g"]), memoryFormat: .channelsLast))
            try network.maskGradients()
            return (try y.host(), try #require(x.grad).host())
        }

        @Test(arguments: try! HetConvCase.all(), [TorchNetwork.Realization.masked, .smallKernels])
        func hetConv(layer: HetConvCase, realization: TorchNetwork.Realization) throws {
            let tensors = try layer.tensors()
            let image = try #require(tensors["x"]).shape.dimensions.dropFirst()
            let graph = try Graph.build(input: Shape(Array(image))) {
                $0.applying(.convolution(layer.convolution), named: "layer")
            }
            let weights = Weights(tensors: try layer.stored("weight", of: tensors))
            let network = try TorchNetwork(graph, weights: weights, device: .cpu, realization: realization)
            #expect(network.parameters.count == (realization == .smallKernels && layer.parts > 1 ? 2 : 1))
            let (y, dx) = try Self.step(network, tensors)
            expectClose(y, try #require(tensors["y"]), within: Tolerance(absolute: 1e-5), "y")
            expectClose(dx, try #require(tensors["dx"]), within: Tolerance(absolute: 1e-5), "dx")
            let (gradients, expected) = (try network.gradients(), try layer.stored("dweight", of: tensors))
            #expect(gradients.keys.sorted() == expected.keys.sorted())
            for (name, gradient) in gradients {
                expectClose(gradient, try #require(expected[name]), within: Tolerance(absolute: 2e-4), name)
            }
        }

        @Test(arguments: try! ACBCase.all())
        func asymmetricBlocks(block: ACBCase) throws {
            let tensors = try block.tensors()
            func recorded(_ name: String) throws -> Tensor<Float> { try #require(tensors[name], "\(name)") }
            let graph = try MethodAssignment(method: "acb").apply(to: block.plainGraph())
            let before = try block.weights(tensors, afterStep: false)
            let network = try TorchNetwork(graph, weights: before, device: .cpu)
            let (y, dx) = try Self.step(network, tensors)
            expectClose(y, try recorded("train.y"), within: Tolerance(absolute: 2e-5), "y")
            expectClose(dx, try recorded("train.dx"), within: Tolerance(absolute: 2e-5), "dx")
            let gradients = try network.gradients()
            for name in ACBCase.parameters {
                let gradient = try #require(gradients["layer.\(name)"])
                expectClose(gradient, try recorded("train.grad.\(name)"), within: Tolerance(absolute: 3e-4), name)
            }
            let (after, expected) = (try network.weights(), try block.weights(tensors, afterStep: true))
            for (name, tensor) in after.tensors {
                expectClose(tensor, try #require(expected.tensors[name]), within: Tolerance(absolute: 2e-6), name)
            }
            let evaluated = try TorchNetwork(graph, weights: expected, device: .cpu)
            let x = try TorchTensor(try recorded("x"), memoryFormat: .channelsLast)
            let value = try Torch.withoutGradients { try evaluated.logits(of: x, mode: .evaluation) }.host()
            expectClose(value, try recorded("eval.y"), within: Tolerance(absolute: 1e-5), "evaluation")
        }

        @Test(arguments: try! ShiftCase.all())
        func shiftsToTheBit(shift: ShiftCase) throws {
            let tensors = try shift.tensors()
            let network = try TorchNetwork(try shift.graph(), weights: Weights(), device: .cpu)
            let (y, dx) = try Self.step(network, tensors)
            #expect(try y == #require(tensors["y"]))
            #expect(try dx == #require(tensors["dx"]))
        }
    }
}
