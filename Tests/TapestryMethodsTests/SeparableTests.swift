import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

struct SeparableTests {
    private let method = MethodAssignment(method: "separable")

    @Test func aLayerBecomesTwoOfTheSameShape() throws {
        let graph = try Graph.build(input: [8, 10, 10]) {
            $0.convolution("conv", to: 16, kernel: 3, stride: 2, padding: 1, hasBias: true).relu()
        }
        let rewritten = try method.apply(to: graph)
        let (before, after) = (try Count(graph), try Count(rewritten))
        #expect(after.layers.last?.output == before.layers.last?.output)
        #expect(before.parameters == 16 * 8 * 9 + 16)
        #expect(after.parameters == 8 * 9 + 16 * 8 + 16)
        #expect(after.macs == 25 * (8 * 9 + 16 * 8))
        #expect(
            rewritten.parameters.map(\.name) == [
                "conv.depthwise.weight", "conv.pointwise.weight", "conv.pointwise.bias",
            ])
    }

    /// With a pointwise layer that copies channels, what comes out is the depthwise convolution.
    @Test func groupsOfOneChannelAreDepthwise() throws {
        let dense = try Graph.build(input: [2, 4, 4]) { $0.convolution("conv", to: 2, kernel: 3, padding: 1) }
        let graph = try method.apply(to: dense)
        #expect(graph.outputName == "conv.pointwise")
        var centre = Array(repeating: Float(0), count: 18)
        (centre[4], centre[13]) = (2, 3)
        let weights = Weights(tensors: [
            "conv.depthwise.weight": Tensor(shape: [2, 1, 3, 3], elements: centre),
            "conv.pointwise.weight": Tensor(shape: [2, 2, 1, 1], elements: [1, 0, 0, 1]),
        ])
        let images = HashRule.images([1, 2, 4, 4]).map(Double.init)
        let scaled = images.elements.indices.map { images.elements[$0] * ($0 < 16 ? 2 : 3) }
        let value = try ReferenceInterpreter(graph, weights: weights)(images)
        expectClose(value, Tensor(shape: images.shape, elements: scaled), within: .rounding)
    }

    @Test func whatItCannotDoIsAnError() throws {
        #expect(throws: MethodError("separable takes no argument")) { try Methods.parse("separable:3") }
        let grouped = try Graph.build(input: [4, 5, 5]) { $0.convolution("conv", to: 4, kernel: 3, groups: 4) }
        #expect(throws: MethodError.self) { try method.apply(to: grouped) }
    }

    /// Methods of one stage exclude each other; others act stage by stage, whatever order they are named in.
    @Test func whatItCombinesWith() throws {
        let graph = try Graph.build(input: [4, 5, 5]) { $0.convolution("conv", to: 8, kernel: 3) }
        #expect(throws: MethodError.self) { try MethodAssignment(method: "separable,separable").apply(to: graph) }
        // The spatial convolution that separable leaves is one of groups, which no ASK can be.
        #expect(throws: MethodError.self) { try MethodAssignment(method: "ask:ASK_5a,separable").apply(to: graph) }
    }
}
