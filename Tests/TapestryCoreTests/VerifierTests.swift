import TapestryCore
import Testing

/// One graph for each way of breaking a rule; the error names the node.
struct VerifierTests {
    private static let valid = Graph(
        inputShape: [4, 8, 8],
        nodes: [
            Node(name: "conv", operation: convolution(), inputs: ["input"]),
            Node(name: "relu", operation: .relu, inputs: ["conv"]),
            Node(name: "sum", operation: .add, inputs: ["relu", "conv"]),
        ], outputName: "sum")

    private static func convolution(_ change: (inout Convolution) -> Void = { _ in }) -> TapestryCore.Operation {
        var convolution = Convolution(inputChannels: 4, outputChannels: 4, kernel: .square(3), padding: .all(1))
        change(&convolution)
        return .convolution(convolution)
    }

    private static func expect(
        _ node: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation,
        change: (inout Graph) -> Void
    ) {
        var graph = valid
        change(&graph)
        let error = #expect(throws: GraphError.self, sourceLocation: sourceLocation) { try Verifier.verify(graph) }
        #expect(error?.node == node, sourceLocation: sourceLocation)
        #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")", sourceLocation: sourceLocation)
    }

    @Test func aGraphThatKeepsTheLaw() throws { try Verifier.verify(Self.valid) }

    @Test func namesStandForOneNode() {
        Self.expect("", "the name is empty") { $0.nodes[1].name = "" }
        Self.expect("input", "reserved") { $0.nodes[1].name = "input" }
        Self.expect("conv", "taken by another node") { $0.nodes[1].name = "conv" }
    }

    @Test func valuesComeFromEarlierNodes() {
        Self.expect("relu", "takes \"sum\", which no earlier node makes") { $0.nodes[1].inputs = ["sum"] }
        Self.expect("relu", "takes \"relu\", which no earlier node makes") { $0.nodes[1].inputs = ["relu"] }
        Self.expect("relu", "takes \"nowhere\", which no earlier node makes") { $0.nodes[1].inputs = ["nowhere"] }
        Self.expect("relu", "takes 1 values, not 2") { $0.nodes[1].inputs = ["conv", "conv"] }
        Self.expect("relu", "takes 1 values, not 0") { $0.nodes[1].inputs = [] }
        Self.expect("sum", "takes 2 values, not 1") { $0.nodes[2].inputs = ["conv"] }
    }

    @Test(arguments: [[], [4], [4, 8], [1, 4, 8, 8], [0, 8, 8], [4, 8, 0]])
    func theInputIsAnImage(dimensions: [Int]) {
        Self.expect(Graph.inputName, "channels x height x width") { $0.inputShape = Shape(dimensions) }
    }

    @Test func shapesFit() {
        Self.expect("conv", "takes 5 channels but is given 4x8x8") {
            $0.nodes[0].operation = Self.convolution { $0.inputChannels = 5 }
        }
        Self.expect("sum", "adds 4x8x8 and 4x4x4, which differ") {
            $0.nodes[1].operation = .maxPool(Pooling(kernel: .square(2)))
            $0.nodes[2].inputs = ["conv", "relu"]
        }
        Self.expect("relu", "normalises 3 channels but is given 4x8x8") {
            $0.nodes[1].operation = .batchNorm(BatchNorm(channels: 3))
        }
        for channels in [3, 0, -1] {
            Self.expect("relu", "scales \(channels) channels but is given 4x8x8") {
                $0.nodes[1].operation = .affine(channels: channels)
            }
        }
        Self.expect("relu", "maps vectors of 4 to 2 but is given 4x8x8") {
            $0.nodes[1].operation = .linear(Linear(inputs: 4, outputs: 2))
        }
        for operation in [
            Self.convolution(), .maxPool(Pooling(kernel: .square(1))), .globalAveragePool,
            .padChannels(before: 0, after: 1),
        ] {
            Self.expect("relu", "takes channels x height x width but is given 256") {
                $0.nodes[0] = Node(name: "flat", operation: .flatten, inputs: ["input"])
                $0.nodes[1] = Node(name: "relu", operation: operation, inputs: ["flat"])
            }
        }
    }

    @Test func windowsFit() {
        Self.expect("conv", "a window of 11x11 does not fit in 10x10") {
            $0.nodes[0].operation = Self.convolution { $0.kernel = .square(11) }
        }
        Self.expect("conv", "a window of 11x3 does not fit in 10x10") {
            $0.nodes[0].operation = Self.convolution { $0.dilation.height = 5 }
        }
        Self.expect("relu", "a window of 9x1 does not fit in 8x8") {
            $0.nodes[1].operation = .averagePool(Pooling(kernel: Size(height: 9, width: 1)))
        }
    }

    @Test func poolingWindowsArePossible() {
        let padded = Pooling(kernel: .square(3), padding: .all(2))
        let uneven = Pooling(kernel: .square(3), padding: Padding(top: 1, left: 0, bottom: 0, right: 0))
        let negative = Pooling(kernel: .square(3), padding: .all(-1))
        for pooling in [padded, uneven, negative] {
            Self.expect("relu", "by more than half of it, or unevenly") { $0.nodes[1].operation = .maxPool(pooling) }
        }
        for pooling in [
            Pooling(kernel: .square(0), stride: .square(1)), Pooling(kernel: .square(2), stride: .square(0)),
            Pooling(kernel: Size(height: .max, width: 1)),
            Pooling(kernel: .square(1 << 20), stride: .square(1), padding: .all(1 << 19)),
        ] {
            Self.expect("relu", "a window of") { $0.nodes[1].operation = .maxPool(pooling) }
        }
    }

    @Test func convolutionsAndTheirSupportsArePossible() {
        Self.expect("conv", "an extent of the convolution") {
            $0.nodes[0].operation = Self.convolution { $0.stride.width = 0 }
        }
        Self.expect("conv", "no tap sets") { $0.nodes[0].operation = Self.convolution { $0.support = .tapSets([]) } }
    }

    @Test func numbersArePossible() {
        for (epsilon, momentum) in [(0, 0.1), (-1, 0.1), (.infinity, 0.1), (.nan, 0.1), (1, -0.1), (1, 1.1), (1, .nan)]
        {
            Self.expect("relu", "is impossible") {
                $0.nodes[1].operation = .batchNorm(BatchNorm(channels: 4, epsilon: epsilon, momentum: momentum))
            }
        }
        for start in [Initialization.constant(.nan), .normal(standardDeviation: -1), .constant(.infinity)] {
            Self.expect("conv", "its weight cannot start as") {
                $0.nodes[0].operation = Self.convolution { $0.weightInitialization = start }
            }
            Self.expect("relu", "its weight cannot start as") {
                $0.nodes[1].operation = .batchNorm(BatchNorm(channels: 4, weightInitialization: start))
            }
        }
        Self.expect("relu", "pads by -1 and 0 channels") { $0.nodes[1].operation = .padChannels(before: -1, after: 0) }
    }

    @Test func valuesAndWeightsFitInMemory() {
        Self.expect("wide", "beyond any memory") {
            $0.nodes.insert(
                Node(name: "wide", operation: Self.convolution { $0.padding = .all(1 << 20) }, inputs: ["conv"]), at: 1)
        }
        Self.expect("fc", "more than 17179869184 weights") {
            $0.nodes.append(Node(name: "flat", operation: .flatten, inputs: ["sum"]))
            $0.nodes.append(Node(name: "fc", operation: .linear(Linear(inputs: 256, outputs: .max)), inputs: ["flat"]))
        }
    }

    @Test func parameterNamesAreUnique() throws {
        let sets = [try TapSet(numbers: [5])]
        Self.expect("conv.conv0", "another node has a parameter \"conv.conv0.weight\" too") {
            $0.nodes[0].operation = Self.convolution { $0.support = .tapSets(sets) }
            $0.nodes[1] = Node(name: "conv.conv0", operation: Self.convolution(), inputs: ["conv"])
            $0.nodes[2].inputs[0] = "conv.conv0"
        }
    }

    @Test func everythingLeadsToTheOutput() {
        Self.expect("nowhere", "does not exist") { $0.outputName = "nowhere" }
        Self.expect("input", "does not exist") { $0.outputName = "input" }
        Self.expect("sum", "nothing takes its value") { $0.outputName = "relu" }
        Self.expect("input", "does not exist") {
            $0.nodes = []
            $0.outputName = "input"
        }
    }

    @Test func classCount() throws {
        let graph = try Graph.build(input: [4, 8, 8]) { $0.globalAveragePool().linear("fc", to: 7) }
        #expect(try graph.classCount() == 7)
        #expect(throws: GraphError(node: "sum", reason: "is not a vector of class scores")) {
            try Self.valid.classCount()
        }
    }

    /// The first mistake is thrown, though the figure goes on with values that have no right shape.
    @Test func theBuilderThrowsItsFirstMistake() {
        let error = #expect(throws: GraphError.self) {
            try Graph.build(input: [4, 8, 8]) { image in
                image.linear("first", to: 3).maxPool("second", kernel: 99).adding(image, named: "third").flatten()
            }
        }
        #expect(error?.node == "first")
    }
}

struct WeightsTests {
    @Test func weightsFitTheirGraph() throws {
        let graph = try Graph.build(input: [2, 4, 4]) { $0.convolution("conv", to: 3, kernel: 1) }
        let right = Weights(tensors: ["conv.weight": Tensor(shape: [3, 2, 1, 1], repeating: 0)])
        try right.check(against: graph)
        _ = try Model(graph: graph, weights: right)

        var wrong = right
        wrong.tensors["conv.weight"] = nil
        #expect(throws: GraphError(node: "conv", reason: "the weights lack \"conv.weight\"")) {
            try Model(graph: graph, weights: wrong)
        }
        wrong.tensors["conv.weight"] = Tensor(shape: [3, 2], repeating: 0)
        #expect(throws: GraphError(node: "conv", reason: "\"conv.weight\" has shape 3x2, expected 3x2x1x1")) {
            try Model(graph: graph, weights: wrong)
        }
        wrong = right
        wrong.tensors["fc.weight"] = Tensor(shape: [1], repeating: 0)
        #expect(throws: GraphError.self) { try Model(graph: graph, weights: wrong) }
    }

    @Test func aModelsGraphKeepsTheLaw() {
        let node = Node(
            name: "conv", operation: .convolution(Convolution(inputChannels: 1, outputChannels: 1, kernel: .square(0))),
            inputs: ["input"])
        let graph = Graph(inputShape: [1, 1, 1], nodes: [node], outputName: "conv")
        #expect(throws: GraphError.self) { try Model(graph: graph, weights: Weights()) }
    }
}
