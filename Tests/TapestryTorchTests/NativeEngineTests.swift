import Foundation
import TapestryCore
import TapestryMethods
import TapestryRuntime
import TapestryTestSupport
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Tapestry's kernels among libtorch's operators") struct NativeEngine {
        /// What a pass through a network gives.
        private struct Pass {
            let network: TorchNetwork
            let logits: Tensor<Float>
            let gradients: [String: Tensor<Float>]

            init(
                _ graph: Graph, _ weights: Weights, _ images: Tensor<Double>, _ engine: TrainingEngine,
                mode: TorchNetwork.Mode = .training
            ) throws {
                network = try TorchNetwork(graph, weights: weights, device: .cpu, engine: engine)
                let x = try TorchTensor(images, as: .float32, memoryFormat: .channelsLast)
                try x.setRequiresGrad(true)
                let y = try network.logits(of: x, mode: mode)
                var stream = RandomStream(seed: 17, purpose: .test)
                try y.backward(upstream: try TorchTensor(stream.tensor(y.shape), as: .float32))
                try network.maskGradients()
                logits = try y.host()
                gradients = try network.gradients().merging(["input": x.grad!.host()]) { $1 }
            }
        }

        /// Logits, gradients and statistics by both engines, relative to the largest of each tensor. Where batch norms of
        /// a few values make much of roundings, or one takes a value over zero at a ReLU, no further apart than libtorch is
        /// from itself when all that it is given has been moved by some.
        private func expectEqual(
            _ graph: Graph, batch: Int, _ about: String, modes: [TorchNetwork.Mode],
            _ stream: inout RandomStream
        ) throws {
            let weights = stream.weights(for: graph)
            let images = stream.tensor(Shape([batch] + graph.inputShape.dimensions))
            for mode in modes {
                let native = try Pass(graph, weights, images, .native, mode: mode)
                let torch = try Pass(graph, weights, images, .torch, mode: mode)
                let moved = try (0..<3).map { _ in
                    try Pass(graph, stream.rounded(weights), stream.rounded(images), .torch, mode: mode)
                }
                // Some gradients are nothing but roundings, as those of biases that batch norms take away again.
                let steepest = torch.gradients.values.flatMap { $0.elements.map(abs) }.max() ?? 0
                func expect(
                    _ a: Tensor<Float>, _ b: Tensor<Float>, _ moved: [Tensor<Float>], _ tolerance: Double,
                    _ name: String, largest: Float? = nil
                ) {
                    let largest = Double(largest ?? b.elements.map(abs).max() ?? 0)
                    let roundings = 2 * moved.map { b.distance(to: $0) }.max()!
                    let worst = b.distance(to: a)
                    #expect(
                        worst <= max(tolerance * largest + 1e-6, roundings),
                        "\(about), \(mode), \(name): \(worst) off of \(largest), roundings \(roundings)")
                }
                expect(native.logits, torch.logits, moved.map(\.logits), 1e-5, "logits")
                for (name, gradient) in torch.gradients {
                    expect(
                        native.gradients[name]!, gradient, moved.map { $0.gradients[name]! }, 1e-4,
                        "gradient of \(name)", largest: steepest)
                }
                let (ours, theirs) = (try native.network.weights(), try torch.network.weights())
                let others = try moved.map { try $0.network.weights() }
                for (name, tensor) in theirs.tensors {
                    expect(ours.tensors[name]!, tensor, others.map { $0.tensors[name]! }, 1e-5, name)
                }
                #expect(ours.batchCounts == theirs.batchCounts)
            }
        }

        /// Every form that convolutions, batch norms, sums and ReLUs come in: values read by several, as they are, through
        /// a batch norm, through a ReLU too, after a sum, before a pool.
        @Test func valuesThatSeveralRead() throws {
            let support = Support.tapSets([try TapSet(numbers: [2, 4, 5, 6]), try TapSet(numbers: [5, 6, 8, 9])])
            let shaped = Operation.convolution(
                Convolution(
                    inputChannels: 8, outputChannels: 8, kernel: .square(3), padding: .all(1), hasBias: true,
                    support: support))
            let graph = try Graph.build(input: [3, 9, 10]) { image in
                let stem = image.convolution("stem", to: 8, kernel: 3, padding: 1).batchNorm("stem.bn")
                let x = stem.relu("stem.relu")
                let a = x.applying(shaped, named: "a").batchNorm("a.bn").relu("a.relu")
                    .convolution("a2", to: 8, kernel: 1).batchNorm("a2.bn")
                let b = x.convolution("b", to: 8, kernel: 3, padding: 1).batchNorm("b.bn")
                let sum = a.adding(b, named: "ab").adding(x, named: "abx").relu("abx.relu")
                let down = sum.convolution("down", to: 8, kernel: 3, stride: 2, padding: 1).batchNorm("down.bn")
                let short = sum.convolution("short", to: 8, kernel: 1, stride: 2).batchNorm("short.bn")
                let pooled = stem.maxPool("pool", kernel: 3, stride: 2, padding: 1).convolution("p", to: 8, kernel: 1)
                let next = down.adding(short, named: "ds").relu("ds.relu")
                return next.adding(pooled, named: "dsp").batchNorm("pre.bn").relu("pre.relu")
                    .convolution("last", to: 4, kernel: 3, padding: 1).globalAveragePool("gap").linear("fc", to: 3)
            }
            var stream = RandomStream(seed: 31, purpose: .test)
            for batch in [1, 2, 5, 33] {
                try expectEqual(graph, batch: batch, "batch \(batch)", modes: [.training, .evaluation], &stream)
            }
        }

        /// Windows over each channel: depthwise convolutions, shifts and pools, of values as they are and through batch
        /// norms and ReLUs, read by one and by several.
        @Test func windowsOverEachChannel() throws {
            let graph = try Graph.build(input: [16, 11, 12]) { image in
                let x = image.depthwise("first", kernel: 3, stride: 1).batchNorm("first.bn")
                let relu = x.relu("first.relu")
                let a = relu.depthwise("a", kernel: 5, stride: 2).batchNorm("a.bn").relu("a.relu")
                let b = relu.shift("b", kernel: 3).convolution("b2", to: 16, kernel: 1, stride: 2).batchNorm("b2.bn")
                let c = x.maxPool("c", kernel: 3, stride: 2, padding: 1).shift("c.shift", kernel: 5)
                let d = relu.maxPool("d", kernel: 2).depthwise("d2", kernel: 3, stride: 1)
                let both = a.adding(b, named: "ab").adding(c, named: "abc").batchNorm("abc.bn").relu("abc.relu")
                return both.globalAveragePool("gap").linear("fc", to: 3).adding(
                    d.globalAveragePool("gap2").linear("fc2", to: 3), named: "sum")
            }
            let native = try TorchNetwork(
                graph, weights: .initial(for: graph, seed: 1), device: .cpu, engine: .native)
            #expect(native.nativeConvolutions == ["first", "a", "b2", "d2"])
            var stream = RandomStream(seed: 34, purpose: .test)
            for batch in [1, 2, 5, 33] {
                try expectEqual(graph, batch: batch, "batch \(batch)", modes: [.training, .evaluation], &stream)
            }
        }

        @Test func randomNetworks() throws {
            try RandomRounds.run(40) { stream in
                let graph = stream.graph()
                // Dropouts draw numbers while training.
                try expectEqual(
                    graph, batch: stream.integer(in: 2...5), "\(graph)", modes: [.inspection, .evaluation], &stream)
            }
        }

        @Test(
            "networks of every family",
            arguments: [
                ("ask/resnet20", "ask:ASK_4a", 32), ("ask/vgg11", "ask:ASK_5a", 32), ("acnet/resnet56", "acb", 16),
                ("hetconv/vgg16", "hetconv:4", 32), ("ec2t/resnet20", "dense", 32), ("shift/resnet20", "dense", 32),
                ("acnet/mobilenet-v1", "dense", 32),
            ])
        func zoo(architecture: String, method: String, size: Int) throws {
            let options = NetworkOptions(classes: 10, imageSize: size)
            let graph = try MethodAssignment(method: method).network(
                of: Zoo.architecture(named: architecture), options)
            var stream = RandomStream(seed: 32, purpose: .test)
            let weights = Weights.initial(for: graph, seed: 3)
            let images = stream.tensor(Shape([4] + graph.inputShape.dimensions))
            let native = try Pass(graph, weights, images, .native, mode: .inspection)
            let torch = try Pass(graph, weights, images, .torch, mode: .inspection)
            #expect(!native.network.nativeConvolutions.isEmpty)
            let largest = torch.logits.elements.map(abs).max()!
            let worst = zip(native.logits.elements, torch.logits.elements).map { abs($0 - $1) }.max()!
            #expect(worst <= 1e-3 * largest, "\(worst) off of \(largest)")
            let steepest = Double(torch.gradients.values.flatMap { $0.elements.map(abs) }.max()!)
            // Of four images batch norms of deep networks make much of a rounding, and ReLUs and pools turn on it.
            for (name, gradient) in torch.gradients where name != "input" {
                let scale = sqrt(gradient.elements.reduce(0) { $0 + Double($1) * Double($1) })
                let difference = sqrt(
                    zip(native.gradients[name]!.elements, gradient.elements).reduce(0) {
                        $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
                    })
                #expect(difference <= 5e-2 * scale + 1e-5 * steepest, "\(name): \(difference) off of \(scale)")
            }
        }

        /// Saved values go when they have served, or when nobody can ask for gradients any more.
        @Test func nothingIsLeftBehind() throws {
            let graph = try Graph.build(input: [3, 8, 8]) {
                $0.convolution("a", to: 8, kernel: 3, padding: 1).batchNorm("bn").relu()
                    .convolution("b", to: 8, kernel: 3, padding: 1).globalAveragePool()
            }
            var stream = RandomStream(seed: 33, purpose: .test)
            let network = try TorchNetwork(graph, weights: stream.weights(for: graph), device: .cpu, engine: .native)
            let images = stream.tensor([2, 3, 8, 8])
            func step(backward: Bool) throws {
                let x = try TorchTensor(images, as: .float32, memoryFormat: .channelsLast)
                let loss = try network.logits(of: x, mode: .training).sum()
                if backward { try loss.backward() }
            }
            try step(backward: true)
            let before = TorchTensor.liveCount
            for backward in [true, false] { try step(backward: backward) }
            #expect(TorchTensor.liveCount == before)
        }
    }
}

extension GraphBuilder.Value {
    fileprivate func depthwise(_ name: String, kernel: Int, stride: Int) -> Self {
        applying(
            .convolution(
                Convolution(
                    inputChannels: 16, outputChannels: 16, kernel: .square(kernel), stride: .square(stride),
                    padding: .all(kernel / 2), groups: 16)),
            named: name)
    }
}
