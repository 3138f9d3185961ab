import Foundation
import TapestryCore
import TapestryRewrites
import TapestryTestSupport
import Testing

struct HostileCountingTests {
    /// 2^34 weights at nearly 2^34 positions keep every bound of a graph, and are more than `Int` counts.
    @Test func macsBeyondIntAreAnErrorThatNamesTheNode() throws {
        let convolution = Convolution(
            inputChannels: 1 << 14, outputChannels: 1, kernel: .square(1 << 10), padding: .all((1 << 16) + 507))
        let graph = try Graph.build(input: [1 << 14, 8, 8]) {
            $0.relu("relu").applying(.convolution(convolution), named: "conv")
        }
        #expect(try graph.outputShapes()[1] == [1, 131_071, 131_071])
        let error = GraphError(node: "conv", reason: "here the count exceeds 9223372036854775807")
        #expect(throws: error) { try Count(graph) }
        #expect(throws: error) { try CountingConvention.askVGG.count(graph) }
    }

    @Test func hostileNumbersNeverTrap() throws {
        let text = String(decoding: try JSONEncoder().encode(Graph.everyOperation()), as: UTF8.self)
        var counted = 0
        RandomRounds.run(for: .seconds(2)) { random in
            let json = Data(random.replacingNumbers(in: text).utf8)
            guard let graph = try? JSONDecoder().decode(Graph.self, from: json) else { return }
            _ = try? Count(graph)
            _ = try? CountingConvention.askResNet.count(graph)
            counted += 1
        }
        #expect(counted > 0)
    }
}
