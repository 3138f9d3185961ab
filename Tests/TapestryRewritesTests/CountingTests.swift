import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

struct CountingTests {
    /// A row of the published systems' counts.
    struct Row: Decodable, CustomTestStringConvertible {
        let network: String
        let kernel: String
        let params: Int
        let macs: Int
        let conventionFLOPs: Int

        private enum CodingKeys: String, CodingKey {
            case network, kernel, params, macs
            case conventionFLOPs = "published_convention_flops"
        }

        var testDescription: String { "\(network) \(kernel)" }

        static func ask() throws -> [Row] {
            struct File: Decodable { let ask: [Row] }
            return try Fixtures.json("counting.json", as: File.self).ask
        }
    }

    @Test func theTableIsWhole() throws { #expect(try Row.ask().count == 50) }

    @Test(arguments: try! Row.ask())
    func askNetworksCountToTheDigit(row: Row) throws {
        let name = "ask/" + row.network.lowercased().replacing("-", with: "")
        let architecture = try Zoo.architecture(named: name)
        let method = row.kernel == "3x3" ? "dense" : "ask:\(row.kernel)"
        let graph = try MethodAssignment(method: method).apply(to: architecture.graph())
        let count = try Count(graph)
        #expect(count.parameters == row.params)
        #expect(count.macs == row.macs)
        let published = try #require(architecture.convention).count(graph)
        #expect(published.parameters == row.params)
        #expect(published.macs == row.conventionFLOPs)
    }

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
            let graph = try Graph.build(input: [convolution.inputChannels, 8, 9]) {
                $0.applying(.convolution(convolution), named: "it")
            }
            let count = try Count(graph)
            let weights = convolution.storedWeights.reduce(0) { $0 + $1.shape.count }
            #expect(count.parameters == weights + (convolution.hasBias ? convolution.outputChannels : 0))
            #expect(count.macs == weights * count.layers[0].output[1] * count.layers[0].output[2])
        }
    }
}
