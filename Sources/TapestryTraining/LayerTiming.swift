import TapestryCore
import TapestryMethods
import TapestryRuntime
import TapestryTorch

/// How long one convolution of a network takes, forward and backward, by each engine.
public struct LayerTiming {
    public let node: String
    public let convolution: Convolution
    public let outputSize: Size
    /// Multiply-adds of a step for one image: forward, and the gradients of input and weights.
    public let macs: Int
    /// Seconds for the batch; nil where there are no kernels for the layer.
    public let native: Double?
    public let torch: Double
    /// Whether `TrainingEngine.automatic` trains it by Tapestry's kernels.
    public let isNative: Bool

    /// Measures every convolution of a graph by itself, on `batch` images of random numbers: each the fastest of
    /// `rounds` rounds, engines taking turns. `body` is called for each.
    ///
    /// Throws `GraphError`, or what libtorch throws.
    public static func measure(
        _ graph: Graph, batch: Int, rounds: Int = 5, inBFloat16: Bool, _ body: (LayerTiming) throws -> Void
    ) throws {
        let shapes = try graph.valueShapes()
        for node in graph.nodes {
            guard case .convolution(let convolution) = node.operation, let input = shapes[node.inputs[0]],
                let output = shapes[node.name]
            else { continue }
            let layer = try Graph.build(input: input) { $0.applying(node.operation, named: "layer") }
            let isFirst = node.inputs[0] == Graph.inputName
            var steps: [(TrainingEngine, Step)] = []
            for engine in [TrainingEngine.native, .torch] {
                let step = try Step(
                    layer, engine, batch: batch, isFirst: isFirst, inBFloat16: inBFloat16, output: output)
                if engine == .torch || step.isNative { steps.append((engine, step)) }
            }
            var best: [TrainingEngine: Double] = [:]
            for _ in 0..<rounds + 1 {
                for (engine, step) in steps { best[engine] = min(best[engine] ?? .infinity, try step.seconds()) }
            }
            let automatic = try TorchNetwork(layer, weights: .hashed(for: layer), device: .cpu)
            let passes = isFirst ? 2 : 3
            try body(
                LayerTiming(
                    node: node.name, convolution: convolution,
                    outputSize: Size(height: output[1], width: output[2]),
                    macs: passes * convolution.weightCount * output[1] * output[2], native: best[.native],
                    torch: best[.torch]!, isNative: !automatic.nativeConvolutions.isEmpty))
        }
    }

    /// One layer's forward and backward pass.
    private struct Step {
        let network: TorchNetwork
        let x: TorchTensor
        let upstream: TorchTensor
        let inBFloat16: Bool

        init(
            _ graph: Graph, _ engine: TrainingEngine, batch: Int, isFirst: Bool, inBFloat16: Bool, output: Shape
        ) throws {
            network = try TorchNetwork(graph, weights: .hashed(for: graph), device: .cpu, engine: engine)
            let type: DataType = inBFloat16 ? .bfloat16 : .float32
            func tensor(_ shape: Shape, _ seed: Int) throws -> TorchTensor {
                let images = HashRule.images(Shape([batch] + shape.dimensions), parameter: seed)
                return try TorchTensor(images, memoryFormat: .channelsLast)
                    .to(as: type, memoryFormat: .channelsLast)
            }
            x = try tensor(graph.inputShape, 1)
            upstream = try tensor(output, 2)
            if !isFirst { try x.setRequiresGrad(true) }
            self.inBFloat16 = inBFloat16
        }

        var isNative: Bool { !network.nativeConvolutions.isEmpty }

        func seconds() throws -> Double {
            let start = ContinuousClock.now
            let y =
                inBFloat16
                ? try Torch.withAutocast(on: .cpu) { try network.logits(of: x, mode: .training) }
                : try network.logits(of: x, mode: .training)
            try y.backward(upstream: upstream)
            return (ContinuousClock.now - start) / .seconds(1)
        }
    }
}
