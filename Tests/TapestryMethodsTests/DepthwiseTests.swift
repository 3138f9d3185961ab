import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

struct DepthwiseTests {
    @Test func theBlockIsThePublishedOne() throws {
        let architecture = try Zoo.architecture(named: "shift/resnet8")
        let graph = try MethodAssignment(method: "depthwise:2").network(of: architecture)
        let block = graph.nodes.filter { $0.name.hasPrefix("layer2.0.") }.map { $0.name.dropFirst("layer2.0.".count) }
        #expect(
            block == [
                "conv1", "bn1", "relu1", "depth", "bn2", "conv3", "bn3", "shortcut.0", "shortcut.1", "add", "relu3",
            ])
        let outputs = Dictionary(uniqueKeysWithValues: zip(graph.nodes.map(\.name), try graph.outputShapes()))
        #expect(outputs["layer2.0.depth"] == [16, 32, 32])
        #expect(outputs["layer2.0.conv3"] == [32, 16, 16])
    }

    /// Any padding, stride and dilation: the shape is that of the layer replaced.
    @Test func shapesAreKeptForEveryConvolution() throws {
        try RandomRounds.run(50) { random in
            var convolution = random.convolution()
            (convolution.groups, convolution.support) = (1, .dense)
            // A 1x1 kernel is left alone, and a method that changes nothing is refused.
            if convolution.kernel.area == 1 { convolution.kernel = Size(height: 1, width: 2) }
            let dense = try Graph.build(input: [convolution.inputChannels, 11, 12]) {
                $0.applying(.convolution(convolution), named: "conv")
            }
            let graph = try MethodAssignment(method: "depthwise:0.5").apply(to: dense)
            #expect(try graph.outputShapes().last == dense.outputShapes().last, "\(convolution)")
            #expect(graph.nodes.count == 3)
            let hasBias = graph.parameters.contains { $0.role == .bias }
            #expect(hasBias == convolution.hasBias)
        }
    }

    @Test func weightsAreThoseOfThreeLayers() throws {
        let dense = try Graph.build(input: [8, 10, 10]) {
            $0.convolution("conv", to: 16, kernel: 3, stride: 2, padding: 1)
        }
        let count = try Count(try MethodAssignment(method: "depthwise:4").apply(to: dense))
        #expect(count.layers.map(\.name) == ["conv.conv1", "conv.depth", "conv.conv3"])
        #expect(count.layers.map(\.parameters) == [8 * 4, 4 * 9, 4 * 16])
        #expect(count.layers.map(\.macs) == [8 * 4 * 100, 4 * 9 * 25, 4 * 16 * 25])
    }

    /// The stride on the spatial convolution computes what the paper's, on the last one, does.
    @Test func theStrideMayStandOnEither() throws {
        let dense = try Graph.build(input: [3, 9, 8]) {
            $0.convolution("conv", to: 4, kernel: 3, stride: 2, padding: 1)
        }
        let graph = try MethodAssignment(method: "depthwise:1").apply(to: dense)
        var published = graph
        published.nodes = graph.nodes.map { node in
            var node = node
            guard case .convolution(var convolution) = node.operation else { return node }
            convolution.stride = .square(node.name == "conv.conv3" ? 2 : 1)
            node.operation = .convolution(convolution)
            return node
        }
        let weights = Weights.hashed(for: graph)
        let images = HashRule.images([2, 3, 9, 8]).map(Double.init)
        expectClose(
            try ReferenceInterpreter(graph, weights: weights)(images),
            try ReferenceInterpreter(published, weights: weights)(images), within: .rounding)
    }
}
