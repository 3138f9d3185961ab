import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

/// The example of Docs/adding-a-method.md, here so that it compiles and does what the text says.
struct DepthwiseSeparable: TapestryMethods.Method {
    static let name = "separable"
    static let summary = "separable: a spatial convolution of each channel, then a 1x1 convolution (MobileNets, 2017)"

    init(argument: String?) throws(MethodError) {
        guard argument == nil else { throw MethodError("separable takes no argument") }
    }

    func rewrite(_ node: Node, _ convolution: Convolution) throws(MethodError) -> [Node]? {
        guard convolution.kernel.area > 1 else { return nil }
        guard convolution.isDense, convolution.groups == 1 else {
            throw MethodError("has groups or a support of its own; separable needs a dense convolution")
        }
        var depthwise = convolution
        depthwise.outputChannels = convolution.inputChannels
        depthwise.groups = convolution.inputChannels
        depthwise.hasBias = false
        let pointwise = Convolution(
            inputChannels: convolution.inputChannels, outputChannels: convolution.outputChannels, kernel: .square(1),
            hasBias: convolution.hasBias, weightInitialization: convolution.weightInitialization,
            biasInitialization: convolution.biasInitialization)
        let depthwiseName = "\(node.name).depthwise"
        return [
            Node(name: depthwiseName, operation: .convolution(depthwise), inputs: node.inputs),
            Node(name: node.name, operation: .convolution(pointwise), inputs: [depthwiseName]),
        ]
    }
}

struct ExampleMethodTests {
    @Test func aLayerBecomesTwoOfTheSameShape() throws {
        var graph = try Graph.build(input: [8, 10, 10]) {
            $0.convolution("conv", to: 16, kernel: 3, stride: 2, padding: 1, hasBias: true).relu()
        }
        let before = try Count(graph)
        guard case .convolution(let convolution) = graph.nodes[0].operation else { return }
        let rewritten = try #require(try DepthwiseSeparable(argument: nil).rewrite(graph.nodes[0], convolution))
        graph.nodes.replaceSubrange(0..<1, with: rewritten)
        try Verifier.verify(graph)
        let after = try Count(graph)
        #expect(after.layers.last?.output == before.layers.last?.output)
        #expect(before.parameters == 16 * 8 * 9 + 16)
        #expect(after.parameters == 8 * 9 + 16 * 8 + 16)
        #expect(after.macs == 25 * (8 * 9 + 16 * 8))
        #expect(graph.parameters.map(\.name) == ["conv.depthwise.weight", "conv.weight", "conv.bias"])
    }

    /// With a pointwise layer that copies channels, what comes out is the depthwise convolution.
    @Test func groupsOfOneChannelAreDepthwise() throws {
        let dense = Convolution(inputChannels: 2, outputChannels: 2, kernel: .square(3), padding: .all(1))
        let node = Node(name: "conv", operation: .convolution(dense), inputs: [Graph.inputName])
        let nodes = try #require(try DepthwiseSeparable(argument: nil).rewrite(node, dense))
        let graph = Graph(inputShape: [2, 4, 4], nodes: nodes, outputName: "conv")
        var centre = Array(repeating: Float(0), count: 18)
        (centre[4], centre[13]) = (2, 3)
        let weights = Weights(tensors: [
            "conv.depthwise.weight": Tensor(shape: [2, 1, 3, 3], elements: centre),
            "conv.weight": Tensor(shape: [2, 2, 1, 1], elements: [1, 0, 0, 1]),
        ])
        let images = HashRule.images([1, 2, 4, 4]).map(Double.init)
        let scaled = images.elements.indices.map { images.elements[$0] * ($0 < 16 ? 2 : 3) }
        let value = try ReferenceInterpreter(graph, weights: weights)(images)
        expectClose(value, Tensor(shape: images.shape, elements: scaled), within: .rounding)
    }

    @Test func whatItCannotDoIsAnError() throws {
        #expect(throws: MethodError("separable takes no argument")) { try DepthwiseSeparable(argument: "3") }
        let grouped = Convolution(inputChannels: 4, outputChannels: 4, kernel: .square(3), groups: 4)
        let node = Node(name: "conv", operation: .convolution(grouped), inputs: [Graph.inputName])
        #expect(throws: MethodError.self) { try DepthwiseSeparable(argument: nil).rewrite(node, grouped) }
    }
}
