import TapestryCore
import TapestryRewrites
import TapestryTestSupport
import Testing

struct CountingTests {
    /// 3x8x8 -> 4x4x4 -> 4 -> 5, worked out by hand.
    @Test func layersCountOneByOne() throws {
        let graph = try Graph.build(input: [3, 8, 8]) {
            $0.convolution("conv", to: 4, kernel: 3, stride: 2, padding: 1, hasBias: true).batchNorm("norm").relu()
                .globalAveragePool().linear("fc", to: 5)
        }
        let count = try Count(graph)
        #expect(count.layers.map(\.name) == ["conv", "norm", "norm.relu", "pool", "fc"])
        #expect(count.layers.map(\.kind) == ["convolution", "batchNorm", "relu", "globalAveragePool", "linear"])
        #expect(count.layers.map(\.parameters) == [4 * 27 + 4, 8, 0, 0, 25])
        #expect(count.layers.map(\.macs) == [108 * 16, 0, 0, 0, 20])
        #expect(count.layers.map(\.output) == [[4, 4, 4], [4, 4, 4], [4, 4, 4], [4], [5]])
        #expect(count.parameters == 145)
        #expect(count.macs == 1748)
        // Linear biases 5, 2 per batch-norm value 128, ReLU 64; pooled window 64.
        #expect(try CountingConvention.askVGG.count(graph).macs == 1748 + 5 + 128 + 64)
        #expect(try CountingConvention.askResNet.count(graph).macs == 1748 + 5 + 128 + 64 + 64)
    }

    @Test func onlyTheSupportCounts() throws {
        try RandomRounds.run(50) { random in
            let convolution = random.convolution()
            let graph = try Graph.build(input: [convolution.inputChannels, 11, 12]) {
                $0.applying(.convolution(convolution), named: "it")
            }
            let count = try Count(graph)
            let weights = convolution.storedWeights.reduce(0) { $0 + $1.shape.count }
            #expect(count.parameters == weights + (convolution.hasBias ? convolution.outputChannels : 0))
            #expect(count.macs == weights * count.layers[0].output[1] * count.layers[0].output[2])
        }
    }
}
