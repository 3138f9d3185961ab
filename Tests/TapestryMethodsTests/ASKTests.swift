import TapestryCore
import TapestryMethods
import Testing

struct ASKTests {
    private static func graph(outputs: Int = 12, kernel: Int = 3, groups: Int = 1) throws -> Graph {
        try Graph.build(input: [4, 8, 8]) {
            $0.convolution("conv", to: outputs, kernel: kernel, stride: 2, padding: kernel / 2, groups: groups)
        }
    }

    private static func convolution(after method: String, on graph: Graph) throws -> Convolution? {
        let node = try MethodAssignment(method: method).apply(to: graph).node(named: "conv")
        guard case .convolution(let convolution) = node?.operation else { return nil }
        return convolution
    }

    /// The published table, written as in the paper: one digit a tap.
    @Test(arguments: [
        ("ASK_7", "1245689 2345678"), ("ASK_6", "124568 234568 245678 245689"), ("ASK_5a", "24568"),
        ("ASK_5b", "24568 24568 24568 13579"), ("ASK_4a", "1245 2356 4578 5689"), ("ASK_4b", "2456 2568 4568 2458"),
        ("ASK_3a", "245 256 458 568"), ("ASK_3b", "258 456"), ("ASK_2", "25 45 56 58"),
    ])
    func publishedShapes(name: String, table: String) throws {
        let sets = try table.split(separator: " ").map { try TapSet(numbers: $0.compactMap(\.wholeNumberValue)) }
        let shaped = try #require(try Self.convolution(after: "ask:\(name)", on: Self.graph()))
        var expected = shaped
        expected.support = .tapSets(sets)
        #expect(shaped == expected)
        #expect(shaped.weightCount == sets.reduce(0) { $0 + $1.count } * 12 / sets.count * 4)
        #expect(Methods.kinds.contains { $0.summary.contains(name) })
    }

    @Test func onlyTheSupportChanges() throws {
        let graph = try Self.graph()
        guard case .convolution(var expected) = graph.nodes[0].operation else { return }
        expected.support = .tapSets([try TapSet(numbers: [5])])
        #expect(try Self.convolution(after: "ask:[[5]]", on: graph) == expected)
    }

    @Test(arguments: [
        "ask:[[2,4,5,6,8],[1,3,5,7,9]]", " ask : [ [ 2 , 4,5,6,8 ] ,[1,3,5,7,9]]\n", "ask:[[8,6,5,4,2],[9,7,5,3,1]]",
    ])
    func ownSets(text: String) throws {
        let sets = [try TapSet(numbers: [2, 4, 5, 6, 8]), try TapSet(numbers: [1, 3, 5, 7, 9])]
        #expect(try Self.convolution(after: text, on: Self.graph())?.support == .tapSets(sets))
    }

    @Test(arguments: [
        ("ask", "ask needs a shape"), ("ask:", "ask needs a shape"), ("ask:ASK_5", "unknown shape \"ASK_5\""),
        ("ask:ask_5a", "unknown shape"), ("ask:[]", "no tap sets"), ("ask:[[]]", "a tap set is empty"),
        ("ask:[[1],[]]", "a tap set is empty"), ("ask:[[0]]", "tap 0 is outside 1...9"),
        ("ask:[[1,10]]", "tap 10 is outside 1...9"), ("ask:[[5,5]]", "tap 5 stands twice"),
        ("ask:[[9223372036854775807]]", "is outside 1...9"), ("ask:[[9223372036854775808]]", "is not a list"),
        ("ask:[", "is not a list"), ("ask:[]]", "is not a list"), ("ask:[[]", "is not a list"),
        ("ask:[1,2]", "is not a list"), ("ask:[[1][2]]", "is not a list"), ("ask:[[1],]", "is not a list"),
        ("ask:[[1,]]", "is not a list"), ("ask:[[,1]]", "is not a list"), ("ask:[[1]]x", "is not a list"),
        ("ask:[[1 2]]", "is not a list"), ("ask:[[0 5]]", "is not a list"), ("ask:[[+5]]", "is not a list"),
        ("ask:[[-5]]", "is not a list"), ("ask:[[1.5]]", "is not a list"), ("ask:[[٥]]", "is not a list"),
        ("ask:[[[1]]]", "is not a list"),
    ])
    func argumentsThatMakeNoSense(text: String, reason: String) throws {
        let error = #expect(throws: MethodError.self) { try Methods.parse(text) }
        #expect(try #require(error).description.contains(reason))
    }

    @Test func setsMustDivideTheOutputs() throws {
        let graph = try Self.graph(outputs: 10)
        #expect(throws: MethodError("layer \"conv\": 4 tap sets do not divide its 10 output channels")) {
            try MethodAssignment(method: "ask:ASK_4a").apply(to: graph)
        }
    }

    @Test func groupedAndAlreadyShapedConvolutionsAreRefused() throws {
        let grouped = try Self.graph(groups: 2)
        #expect(throws: MethodError("layer \"conv\": has 2 groups; ask needs outputs that see all input channels")) {
            try MethodAssignment(method: "ask:ASK_5a").apply(to: grouped)
        }
        let graph = try Self.graph()
        #expect(throws: MethodError.self) { try MethodAssignment(method: "ask:ASK_5a,ask:ASK_2").apply(to: graph) }
    }

    @Test(arguments: [1, 5, 7])
    func kernelsOfOtherSizesStay(kernel: Int) throws {
        let graph = try Graph.build(input: [4, 8, 8]) {
            $0.convolution("conv", to: 8, kernel: kernel).convolution("3x3", to: 8, kernel: 3, padding: 2)
        }
        let shaped = try MethodAssignment(method: "ask:ASK_5a").apply(to: graph)
        #expect(shaped.nodes[0] == graph.nodes[0] && shaped.nodes[1] != graph.nodes[1])
    }
}
