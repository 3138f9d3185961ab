import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

/// A deployed network computes what the trained one does, and no more than it needs.
struct DeploymentTests {
    /// What rounding a few layers' weights to 32 bits does to values of about 1.
    private static let rounded = Tolerance(absolute: 2e-5, relative: 2e-5)

    private static func value(_ model: Model, _ images: Tensor<Double>) throws -> Tensor<Double> {
        try ReferenceInterpreter(model.graph, weights: model.weights)(images)
    }

    private static func kinds(_ graph: Graph) -> [String] { graph.nodes.map(\.operation.kind) }

    private static func convolution(_ name: String, of graph: Graph) throws -> Convolution {
        guard case .convolution(let convolution) = try #require(graph.node(named: name)).operation else {
            throw MethodError("no convolution")
        }
        return convolution
    }

    /// `build`'s network with drawn weights.
    private static func model(
        _ input: Shape, method: String = "dense", _ build: (GraphBuilder.Value) -> GraphBuilder.Value
    ) throws -> Model {
        var stream = RandomStream(seed: 4, purpose: .test)
        let graph = try MethodAssignment(method: method).apply(to: try Graph.build(input: input, build))
        return try Model(graph: graph, weights: stream.weights(for: graph), facts: ["a": "b"])
    }

    private static func expectSame(_ model: Model, _ deployed: FrozenModel) throws {
        var stream = RandomStream(seed: 5, purpose: .test)
        let images = stream.tensor(Shape([2] + model.graph.inputShape.dimensions))
        expectClose(try value(deployed.model, images), try value(model, images), within: rounded)
    }

    @Test(arguments: [BatchNormFolding.everywhere, .inBranches])
    func randomNetworksComputeTheSame(folding: BatchNormFolding) throws {
        try RandomRounds.run(40) { stream in
            let graph = stream.graph()
            let model = try Model(graph: graph, weights: stream.weights(for: graph))
            let deployed = try model.deployed(folding)
            #expect(!deployed.graph.nodes.contains { $0.operation.isForTrainingOnly })
            #expect(deployed.graph.nodes.count <= graph.nodes.count)
            let (before, after) = (try Count(graph).macs, try Count(deployed.graph).macs)
            #expect(after <= before)
            let images = stream.tensor(Shape([2] + graph.inputShape.dimensions))
            expectClose(try Self.value(deployed.model, images), try Self.value(model, images), within: Self.rounded)
        }
    }

    /// Every kind of support, bias or none, and a linear layer.
    @Test func batchNormsAreFolded() throws {
        try RandomRounds.run(40) { stream in
            let convolution = stream.convolution()
            let shape: Shape = [convolution.inputChannels, 12, 12]
            guard
                let graph = try? Graph.build(
                    input: shape,
                    {
                        $0.applying(.convolution(convolution), named: "conv").batchNorm("bn").relu().globalAveragePool()
                            .linear("fc", to: 3).batchNorm("fc_bn")
                    })
            else { return }
            let model = try Model(graph: graph, weights: stream.weights(for: graph))
            let deployed = try model.deployed()
            #expect(deployed.graph.nodes.map(\.name) == ["conv", "bn.relu", "pool", "fc"])
            #expect(deployed.graph.outputName == "fc")
            #expect(deployed.weights.batchCounts.isEmpty)
            let folded = try Self.convolution("conv", of: deployed.graph)
            #expect(folded.support == convolution.support)
            let images = stream.tensor(Shape([2] + shape.dimensions))
            expectClose(try Self.value(deployed.model, images), try Self.value(model, images), within: Self.rounded)
        }
    }

    @Test func batchNormsOfValuesThatOthersTakeStay() throws {
        let model = try Self.model([3, 6, 6]) { image in
            let x = image.convolution("conv", to: 3, kernel: 3, padding: 1)
            return x.batchNorm("bn").relu().adding(x, named: "sum").globalAveragePool()
        }
        let deployed = try model.deployed()
        #expect(Self.kinds(deployed.graph).contains("batchNorm"))
        try Self.expectSame(model, deployed)
    }

    /// The published blocks: kernels, biases and values, with cropping paddings, strides and groups.
    @Test(arguments: try! ACBCase.all())
    func asymmetricBlocksBecomeThePublishedKernel(block: ACBCase) throws {
        let tensors = try block.tensors()
        let graph = try MethodAssignment(method: "acb").apply(to: block.plainGraph())
        let model = try Model(graph: graph, weights: try block.weights(tensors, afterStep: true))
        for folding in [BatchNormFolding.everywhere, .inBranches] {
            let deployed = try model.deployed(folding)
            #expect(deployed.graph.nodes.map(\.name) == ["layer.fused_conv"])
            let weights = deployed.weights.tensors
            expectClose(
                try #require(weights["layer.fused_conv.weight"]), try #require(tensors["fused.weight"]),
                within: Tolerance(absolute: 1e-6))
            expectClose(
                try #require(weights["layer.fused_conv.bias"]), try #require(tensors["fused.bias"]),
                within: Tolerance(absolute: 2e-6))
            let value = try Self.value(deployed.model, try #require(tensors["x"]).map(Double.init))
            expectClose(value, try #require(tensors["fused.y"]), within: Tolerance(absolute: 1e-5))
        }
    }

    @Test func branchesOnASupportBecomeOneAnyShapeKernel() throws {
        let model = try Self.model([4, 9, 9], method: "acb,ask:ASK_5b") {
            $0.convolution("conv", to: 8, kernel: 3, stride: 2, padding: 1).batchNorm("bn").relu()
        }
        let deployed = try model.deployed()
        #expect(Self.kinds(deployed.graph) == ["convolution", "relu"])
        let plain = try MethodAssignment(method: "ask:ASK_5b").apply(
            to: Graph.build(input: [4, 9, 9]) { $0.convolution("c", to: 8, kernel: 3, stride: 2, padding: 1) })
        let (fused, expected) = (
            try Self.convolution("conv.fused_conv", of: deployed.graph), try Self.convolution("c", of: plain)
        )
        #expect(fused.support == expected.support && fused.padding == expected.padding)
        try Self.expectSame(model, deployed)
    }

    /// Dilated blocks, which the published program cannot build, and blocks in parts.
    @Test(arguments: ["acb", "acb,hetconv:2"])
    func dilatedBlocksBecomeOneKernel(method: String) throws {
        let model = try Self.model([4, 12, 12], method: method) {
            $0.convolution("first", to: 4, kernel: 1).applying(
                .convolution(
                    Convolution(
                        inputChannels: 4, outputChannels: 4, kernel: .square(3), padding: .all(2),
                        dilation: .square(2))), named: "conv"
            ).batchNorm("bn")
        }
        let deployed = try model.deployed()
        #expect(Self.kinds(deployed.graph) == ["convolution", "convolution"])
        let fused = try Self.convolution("conv.fused_conv", of: deployed.graph)
        #expect(fused.dilation == .square(2))
        try Self.expectSame(model, deployed)
    }

    /// Neither bar holds the other: together they are a cross, and no more.
    @Test func barsAloneBecomeACross() throws {
        let model = try Self.model([3, 7, 8]) { image in
            func bar(_ name: String, _ kernel: Size, _ padding: Padding) -> GraphBuilder.Value {
                image.applying(
                    .convolution(
                        Convolution(inputChannels: 3, outputChannels: 4, kernel: kernel, padding: padding)),
                    named: name)
            }
            return bar("a", Size(height: 3, width: 1), Padding(top: 1, left: 0, bottom: 1, right: 0))
                .adding(
                    bar("b", Size(height: 1, width: 3), Padding(top: 0, left: 1, bottom: 0, right: 1)), named: "sum")
        }
        let deployed = try model.deployed()
        let cross = try Self.convolution("sum", of: deployed.graph)
        let taps = try TapSet(numbers: [2, 4, 5, 6, 8])
        #expect(deployed.graph.nodes.count == 1 && cross.support == .tapSets([taps]))
        #expect(cross.padding == .all(1) && cross.weightCount == 4 * 3 * 5)
        try Self.expectSame(model, deployed)
    }

    @Test func convolutionsOfDifferentStridesStayApart() throws {
        let model = try Self.model([3, 7, 7]) { image in
            image.convolution("a", to: 2, kernel: 1).globalAveragePool("p")
                .adding(image.convolution("b", to: 2, kernel: 3, stride: 2).globalAveragePool("q"), named: "sum")
        }
        let apart = try model.deployed()
        #expect(apart.graph == model.graph)
        let sameStride = try Self.model([3, 7, 7]) { image in
            image.convolution("a", to: 2, kernel: 3, stride: 2, padding: 1)
                .adding(image.convolution("b", to: 2, kernel: 1, stride: 2), named: "sum")
        }
        let deployed = try sameStride.deployed()
        #expect(deployed.graph.nodes.map(\.name) == ["sum"])
        try Self.expectSame(sameStride, deployed)
    }

    @Test(arguments: [1, 2], [9, 20])
    func shiftsBecomeTapsOfTheNextConvolution(dilation: Int, channels: Int) throws {
        let model = try Self.model([channels, 9, 7]) {
            $0.shift("shift", kernel: 3, dilation: dilation).convolution("conv", to: 5, kernel: 1, stride: 2).relu()
        }
        let deployed = try model.deployed()
        #expect(Self.kinds(deployed.graph) == ["convolution", "relu"])
        let convolution = try Self.convolution("conv", of: deployed.graph)
        #expect(convolution.support == .channelTaps(Shift(kernel: 3, dilation: dilation).taps(channels: channels)))
        #expect(deployed.weights == model.weights)
        try Self.expectSame(model, deployed)
    }

    @Test func whatChangesNothingGoes() throws {
        let model = try Self.model([3, 6, 6]) {
            $0.dropout("drop", probability: 0.5).convolution("conv", to: 4, kernel: 3).relu("a").relu("b")
                .paddingChannels("pad").maxPool("pool1", kernel: 1).shift("shift").stoppingGradient("stop")
                .globalAveragePool().flatten().linear("fc", to: 2).dropBranch("branch", probability: 0.5)
        }
        let deployed = try model.deployed()
        #expect(deployed.graph.nodes.map(\.name) == ["conv", "a", "pool", "fc"])
        #expect(deployed.graph.outputName == "fc" && deployed.model.facts == ["a": "b"])
        try Self.expectSame(model, deployed)
    }

    @Test func onlyFrozenNetworksAreDeployed() throws {
        let model = try Self.model([3, 6, 6]) {
            $0.convolution("conv", to: 4, kernel: 3).dropout("drop", probability: 0.5)
        }
        #expect(throws: GraphError(node: "drop", reason: "dropout acts in training only; a deployed network has none"))
        {
            try FrozenModel(model)
        }
        let frozen = try FrozenModel(model.deployed().model)
        #expect(frozen.graph.nodes.map(\.name) == ["conv"])
    }

    @Test func weightsThatOverflowAreRefused() throws {
        var model = try Self.model([3, 6, 6]) { $0.convolution("conv", to: 2, kernel: 3).batchNorm("bn") }
        model.weights.tensors["bn.weight"] = Tensor(shape: [2], repeating: 3e38)
        model.weights.tensors["conv.weight"] = Tensor(shape: [2, 3, 3, 3], repeating: 3e38)
        #expect(throws: GraphError.self) { try model.deployed() }
    }
}
