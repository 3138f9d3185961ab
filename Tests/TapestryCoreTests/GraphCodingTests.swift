import Foundation
import TapestryCore
import TapestryTestSupport
import Testing

struct GraphCodingTests {
    /// Keys in order, so that texts compare.
    static func json(_ graph: Graph) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(graph), as: UTF8.self)
    }

    static func graph(_ json: String) throws -> Graph { try JSONDecoder().decode(Graph.self, from: Data(json.utf8)) }

    @Test func everyOperationAndSupportSurvives() throws {
        let graph = try Graph.everyOperation()
        let text = try Self.json(graph)
        let decoded = try Self.graph(text)
        #expect(decoded == graph)
        #expect(try Self.json(decoded) == text)
        let kinds = Set(graph.nodes.map(\.operation.kind))
        #expect(kinds.count == 18, "the sample lacks an operation: \(kinds.sorted())")
    }

    @Test func randomGraphsSurvive() throws {
        try RandomRounds.run(50) { random in
            let graph = random.graph()
            let decoded = try Self.graph(Self.json(graph))
            #expect(decoded == graph)
        }
    }

    /// The format on disk: a change of this text is a change of version.
    @Test func theTextIsStable() throws {
        let graph = try Graph.build(input: [3, 4, 4]) {
            $0.convolution("conv", to: 2, kernel: 1).relu().paddingChannels("wide", after: 1).globalAveragePool()
        }
        #expect(
            try Self.json(graph) == #"""
                {"input":[3,4,4],"nodes":[{"attributes":{"biasInitialization":{"kind":"constant","value":0},\#
                "dilation":{"height":1,"width":1},"groups":1,"hasBias":false,"inputChannels":3,\#
                "kernel":{"height":1,"width":1},"outputChannels":2,"padding":{"bottom":0,"left":0,"right":0,"top":0},\#
                "stride":{"height":1,"width":1},"support":"dense","weightInitialization":{"kind":"fanInUniform"}},\#
                "inputs":["input"],"kind":"convolution","name":"conv"},\#
                {"inputs":["conv"],"kind":"relu","name":"conv.relu"},\#
                {"attributes":{"after":1,"before":0},"inputs":["conv.relu"],"kind":"padChannels","name":"wide"},\#
                {"inputs":["wide"],"kind":"globalAveragePool","name":"pool"}],"output":"pool","version":1}
                """#)
    }

    @Test(arguments: [
        (#""version":1"#, #""version":2"#, "graph version 2; this Tapestry reads version 1"),
        (#""version":1"#, #""version":"1""#, "version"),
        (#""kind":"relu""#, #""kind":"gelu""#, #"unknown operation "gelu""#),
        (#""kind":"fanInUniform""#, #""kind":"zeros""#, #"unknown initialization "zeros""#),
        (#""support":"dense""#, #""support":"sparse""#, #"unknown support "sparse""#),
        (#""support":"dense""#, #""support":{"blocks":[]}"#, "mask"),
        (#""support":"dense""#, #""support":{"tapSets":[[[0]]]}"#, "a tap is a [row, column] pair"),
        (#""support":"dense""#, #""support":{"tapSets":[[[0,-1]]]}"#, "a tap is a [row, column] pair"),
        (#""support":"dense""#, #""support":{"mask":{"size":6,"bits":"zz"}}"#, "the bits are not those of 6 positions"),
        (#""input":[3,4,4]"#, #""input":[3,-4,4]"#, "negative dimension in [3, -4, 4]"),
    ])
    func unknownWordsAreRefused(old: String, new: String, reason: String) throws {
        let graph = try Graph.build(input: [3, 4, 4]) { $0.convolution("conv", to: 2, kernel: 1).relu().flatten() }
        let text = try Self.json(graph)
        #expect(text.contains(old))
        let error = #expect(throws: DecodingError.self) {
            try Self.graph(text.replacingOccurrences(of: old, with: new))
        }
        #expect("\(try #require(error))".contains(reason))
    }

    @Test(arguments: [
        (#"{"tapSets":[]}"#, "no tap sets"),
        (#"{"tapSets":[[[1,0]]]}"#, "a tap lies outside the 1x1 kernel"),
        (#"{"tapSets":[[[0,9223372036854775807]]]}"#, "a tap lies outside the 1x1 kernel"),
        (#"{"mask":{"size":1,"bits":"0000000000000001"}}"#, "a mask of 1 positions on 6 weights"),
    ])
    func supportsThatDoNotFitAreRefusedByNode(support: String, reason: String) throws {
        let text = try Self.json(Graph.build(input: [3, 4, 4]) { $0.convolution("conv", to: 2, kernel: 1) })
        #expect(throws: GraphError(node: "conv", reason: reason)) {
            try Self.graph(text.replacingOccurrences(of: #""dense""#, with: support))
        }
    }

    @Test(arguments: [(#"[[]]"#, "a tap set is empty"), (#"[[[0,0],[0,0]]]"#, "tap (0, 0) stands twice")])
    func impossibleTapSetsAreRefused(sets: String, reason: String) throws {
        let text = try Self.json(Graph.build(input: [3, 4, 4]) { $0.convolution("conv", to: 2, kernel: 1) })
        let error = #expect(throws: SupportError.self) {
            try Self.graph(text.replacingOccurrences(of: #""dense""#, with: #"{"tapSets":\#(sets)}"#))
        }
        #expect(try #require(error).description.hasPrefix(reason))
    }
}
