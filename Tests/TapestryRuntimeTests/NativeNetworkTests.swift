import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryRuntime
import TapestryTestSupport
import Testing

struct NativeNetworkTests {
    /// Every operation, support, stride, padding and dilation, on every instruction set, for a few and for many images.
    @Test(arguments: InstructionSet.tested().map(\.name))
    func randomNetworksAgreeWithTheInterpreter(set: String) throws {
        let instructionSet = try instructionSet(named: set)
        try RandomRounds.run(120) { stream in
            let graph = stream.graph()
            let weights = stream.weights(for: graph)
            // With batch norms folded, or left for the runtime to fold or to compute.
            let folding: BatchNormFolding = stream.chance(0.5) ? .everywhere : .inBranches
            let model = try Model(graph: graph, weights: weights).deployed(folding)
            let images = stream.images(stream.integer(in: 1...19), for: graph)
            let network = try NativeNetwork(
                model, batch: stream.integer(in: 1...40), threads: stream.integer(in: 1...3),
                instructionSet: instructionSet)
            let expected = try ReferenceInterpreter(graph, weights: weights)(images.map(Double.init))
            expectLogits(try network(images), expected, "\(graph)")
        }
    }

    /// Layers whose outputs take several vectors, and several blocks with ends of every length.
    @Test(arguments: InstructionSet.tested().map(\.name))
    func wideConvolutionsAgreeWithTheInterpreter(set: String) throws {
        let instructionSet = try instructionSet(named: set)
        var kernels: Set<String> = []
        try RandomRounds.run(60) { stream in
            let graph = stream.chance(0.3) ? try stream.narrowGroups() : try stream.wideLayer()
            let weights = stream.weights(for: graph)
            let model = try FrozenModel(Model(graph: graph, weights: weights))
            let images = stream.images(stream.integer(in: 1...17), for: graph)
            let network = try NativeNetwork(
                model, batch: stream.integer(in: 1...32), threads: stream.integer(in: 1...2),
                instructionSet: instructionSet)
            let expected = try ReferenceInterpreter(graph, weights: weights)(images.map(Double.init))
            expectLogits(try network(images), expected, "\(graph)")
            if set == "amx" { kernels.formUnion(network.profile(rounds: 1).map(\.kernel)) }
        }
        // Layers of many channels are computed in parts there.
        #expect(set != "amx" || kernels.contains { $0.hasPrefix("split") }, "\(kernels)")
    }

    /// Weights without a pattern in their zeros, few enough that they are multiplied one by one.
    @Test(arguments: InstructionSet.tested().map(\.name))
    func sparseNetworksAgreeWithTheInterpreter(set: String) throws {
        let instructionSet = try instructionSet(named: set)
        var kernels: Set<String> = []
        try RandomRounds.run(40) { stream in
            let graph = try stream.sparseLayers()
            let weights = stream.pruned(stream.weights(for: graph), keeping: stream.uniform(in: 0...0.3))
            let model = try FrozenModel(Model(graph: graph, weights: weights))
            let images = stream.images(stream.integer(in: 1...5), for: graph)
            let network = try NativeNetwork(
                model, batch: stream.integer(in: 1...32), threads: stream.integer(in: 1...3),
                instructionSet: instructionSet)
            let expected = try ReferenceInterpreter(graph, weights: weights)(images.map(Double.init))
            expectLogits(try network(images), expected, "\(graph)")
            kernels.formUnion(network.profile(rounds: 1).map(\.kernel))
        }
        #expect(kernels.contains("sparse"))
    }

    /// Values of 8 significant bits: a few roundings of 2^-9 in each of at most a dozen layers.
    @Test(arguments: InstructionSet.tested(for: .bf16).map(\.name))
    func bfloat16NetworksAreNearTheInterpreter(set: String) throws {
        let instructionSet = try #require(InstructionSet.tested(for: .bf16).first { $0.name == set })
        try RandomRounds.run(60) { stream in
            let graph = stream.chance(0.5) ? stream.graph() : try stream.wideLayer()
            let weights = stream.weights(for: graph)
            let model = try Model(graph: graph, weights: weights).deployed()
            let images = stream.images(stream.integer(in: 1...17), for: graph)
            let network = try NativeNetwork(
                model, batch: stream.integer(in: 1...32), threads: stream.integer(in: 1...2), precision: .bf16,
                instructionSet: instructionSet)
            let expected = try ReferenceInterpreter(graph, weights: weights)(images.map(Double.init))
            let largest = expected.elements.map(abs).max() ?? 0
            expectClose(
                try network(images), expected, within: Tolerance(absolute: 0.06 * largest + 1e-3), "\(graph)")
        }
    }

    /// To the bit, whatever the plan is made for.
    @Test func threadsAndBatchesDoNotChangeResults() throws {
        let supported = InstructionSet.supported() + InstructionSet.supported(for: .bf16)
        try expectSameResults(rounds: 20, on: supported)
        let emulated = InstructionSet.tested(for: .bf16).filter { set in
            !supported.contains { $0.name == set.name && $0.precision == set.precision }
        }
        try expectSameResults(rounds: 2, on: emulated)
    }

    private func expectSameResults(rounds: Int, on instructionSets: [InstructionSet]) throws {
        try RandomRounds.run(rounds) { stream in
            let kind = stream.integer(below: 4)
            let graph =
                switch kind {
                case 0: stream.graph()
                case 1: try stream.wideLayer()
                case 2: try stream.narrowGroups()
                default: try stream.sparseLayers()
                }
            let weights = stream.weights(for: graph)
            let model = try Model(graph: graph, weights: kind == 3 ? stream.pruned(weights, keeping: 0.2) : weights)
                .deployed()
            let images = stream.images(37, for: graph)
            for set in instructionSets {
                let alone = try NativeNetwork(model, precision: set.precision, instructionSet: set)
                let expected = try (0..<37).flatMap { try alone(images.part($0..<$0 + 1)).elements }
                for (batch, threads) in [(1, 2), (4, 1), (4, 3), (16, 1), (37, 2), (64, 4)] {
                    let network = try NativeNetwork(
                        model, batch: batch, threads: threads, precision: set.precision, instructionSet: set)
                    let actual = try network(images).elements
                    #expect(actual == expected, "\(set.name) \(batch) \(threads) \(graph)")
                    let halves = try network(images.part(0..<11)).elements + network(images.part(11..<37)).elements
                    #expect(halves == expected, "\(set.name) \(batch) \(threads) in halves \(graph)")
                }
            }
        }
    }

    /// Callers do not disturb each other, nor does what an earlier call left behind.
    @Test func oneNetworkServesManyTasks() async throws {
        var stream = RandomStream(seed: 3, purpose: .test)
        let graph = try Zoo.architecture(named: "ask/resnet8").graph()
        let model = try Model(graph: graph, weights: stream.weights(for: graph)).deployed()
        let network = try NativeNetwork(model, batch: 2, threads: 2)
        let batches = (0..<6).map { stream.images($0 % 3 + 1, for: graph) }
        let expected = try batches.map { try network($0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for (images, logits) in zip(batches, expected) {
                        let actual = try network(images)
                        #expect(actual == logits)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func channelsLastImagesAreTheSameImages() throws {
        var stream = RandomStream(seed: 4, purpose: .test)
        let graph = try Zoo.architecture(named: "ask/resnet8").graph()
        let model = try Model(graph: graph, weights: stream.weights(for: graph)).deployed()
        let network = try NativeNetwork(model, batch: 3)
        let images = stream.images(3, for: graph)
        let (channels, area) = (3, 32 * 32)
        let pixels = (0..<images.elements.count).map { place in
            let (image, pixel, channel) = (place / (channels * area), place / channels % area, place % channels)
            return images.elements[(image * channels + channel) * area + pixel]
        }
        var logits = [Float](repeating: 0, count: 30)
        pixels.withUnsafeBufferPointer { source in
            logits.withUnsafeMutableBufferPointer { network.run(source, count: 3, order: .channelsLast, into: $0) }
        }
        let expected = try network(images).elements
        #expect(logits == expected)
    }

    @Test func imagesThatDoNotFitAreRefused() throws {
        var stream = RandomStream(seed: 5, purpose: .test)
        let graph = try Zoo.architecture(named: "ask/resnet8").graph()
        let network = try NativeNetwork(Model(graph: graph, weights: stream.weights(for: graph)).deployed())
        for shape: Shape in [[1, 3, 32, 31], [3, 32, 32], [1, 1, 32, 32]] {
            let error = #expect(throws: GraphError.self) { try network(Tensor(shape: shape, repeating: 0)) }
            #expect(error?.node == Graph.inputName)
        }
        let none = try network(Tensor(shape: [0, 3, 32, 32], elements: []))
        #expect(none.shape == [0, 10])
    }

    /// A network that diverges is seen to: what is no number goes through to the result.
    @Test func notANumberIsKept() throws {
        var stream = RandomStream(seed: 6, purpose: .test)
        let graph = try Graph.build(input: [4, 6, 6]) { image in
            image.convolution("conv", to: 20, kernel: 3, padding: 1).relu().maxPool("max", kernel: 2)
                .swish("swish").globalAveragePool().linear("fc", to: 3)
        }
        let model = try FrozenModel(Model(graph: graph, weights: stream.weights(for: graph)))
        for set in InstructionSet.tested() + InstructionSet.tested(for: .bf16) {
            let network = try NativeNetwork(model, precision: set.precision, instructionSet: set)
            var images = Tensor<Float>(shape: [1, 4, 6, 6], repeating: 1)
            images.elements[20] = .nan
            let logits = try network(images).elements
            #expect(logits.allSatisfy { $0.isNaN }, "\(set.name)")
        }
    }
}

private func instructionSet(named name: String) throws -> InstructionSet {
    try #require(InstructionSet.tested().first { $0.name == name })
}
