import TapestryCore
import TapestryMethods
import TapestryTestSupport
import Testing

struct ChannelScalesTests {
    /// Two convolutions with biases, the second on a support; a batch norm after the third.
    private static func model() throws -> Model {
        let graph = try Graph.build(input: [4, 6, 6]) {
            $0.convolution("a", to: 6, kernel: 3, padding: 1, hasBias: true, bias: .fanInUniform).relu("relu")
                .convolution("b", to: 8, kernel: 3, padding: 1).batchNorm("bn")
                .globalAveragePool("pool").linear("fc", to: 3)
        }
        let shaped = try MethodAssignment(rules: [.init(pattern: "a", method: "ask:ASK_3b")]).apply(to: graph)
        return try Model(graph: shaped, weights: .initial(for: shaped, seed: 3))
    }

    private let method = Ternarization()

    @Test func onlyLayersWithoutBatchNormGetThem() throws {
        let model = try Self.model().scalingChannels(of: ["a", "b", "fc"], by: method, from: .scaled(0.3))
        let affine = model.graph.nodes.filter { if case .affine = $0.operation { true } else { false } }
        #expect(affine.map(\.name) == ["a_scale", "fc_scale"])
        #expect(model.graph.outputName == "fc_scale")
        #expect(model.weights.tensors["a.bias"] == nil && model.weights.tensors["fc.bias"] == nil)
        #expect(try Self.model().weights.tensors["a.bias"] == model.weights.tensors["a_scale.bias"])
    }

    /// With factors of one the network computes what it did.
    @Test func nothingElseChanges() throws {
        let source = try Self.model()
        var scaled = try source.scalingChannels(of: ["a", "fc"], by: method, from: .scaled(0.3))
        for name in ["a_scale.weight", "fc_scale.weight"] {
            scaled.weights.tensors[name] = scaled.weights.tensors[name]?.map { _ in 1 }
        }
        let input = HashRule.images([2, 4, 6, 6])
        let outputs = try [source, scaled].map { model in
            try ReferenceInterpreter(model.graph, weights: model.weights)(input.map(Double.init))
        }
        expectClose(outputs[1], outputs[0], within: Tolerance(absolute: 1e-12))
    }

    /// Each factor is where the quantised filter comes nearest: the remaining difference is at right angles to it.
    @Test func factorsAreLeastSquares() throws {
        let source = try Self.model()
        let scaled = try source.scalingChannels(of: ["fc"], by: method, from: .scaled(0.3))
        let weights = try #require(source.weights.tensors["fc.weight"]).elements
        let levels = method.raised(method.startingLevels(.scaled(0.3), of: weights), over: weights)
        let quantized = method.values(weights, levels, method.nearest(weights, levels))
        let factors = try #require(scaled.weights.tensors["fc_scale.weight"]).elements
        #expect(factors.count == 3)
        for row in 0..<3 {
            let rest = (8 * row..<8 * row + 8).reduce(0.0) { sum, index in
                sum + Double(weights[index] - factors[row] * quantized[index]) * Double(quantized[index])
            }
            expectClose(rest, 0, within: Tolerance(absolute: 1e-6))
        }
    }
}
