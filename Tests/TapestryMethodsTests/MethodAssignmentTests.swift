import TapestryCore
import TapestryMethods
import Testing

struct MethodAssignmentTests {
    private typealias Rule = MethodAssignment.Rule

    private static func tapCounts(_ rules: [Rule], on graph: Graph) throws -> [Int] {
        try MethodAssignment(rules: rules).apply(to: graph).nodes.compactMap { node in
            guard case .convolution(let convolution) = node.operation else { return nil }
            return convolution.outputBlocks[0].entries.count
        }
    }

    private static func resnet() throws -> Graph { try Zoo.architecture(named: "ask/resnet8").graph() }

    @Test func theFirstRuleThatMatchesWins() throws {
        let rules = [
            Rule(pattern: "conv1", method: "dense"), Rule(pattern: "layer2.*", method: "ask:ASK_2"),
            Rule(pattern: "layer?.0.conv2", method: "ask:ASK_3b"), Rule(pattern: "*", method: "ask:ASK_5a"),
        ]
        #expect(try Self.tapCounts(rules, on: Self.resnet()) == [9, 5, 3, 2, 2, 5, 3])
    }

    @Test func layersThatNoRuleMatchesStay() throws {
        let rules = [Rule(pattern: "*.conv2", method: "ask:ASK_5a")]
        #expect(try Self.tapCounts(rules, on: Self.resnet()) == [9, 9, 5, 9, 5, 9, 5])
    }

    /// The published mixture: ten layers of VGG-16 with ASK_5a, the last three with ASK_2.
    @Test func thePublishedMixture() throws {
        let rules = ["34", "37", "40"].map { Rule(pattern: "feature.\($0)", method: "ask:ASK_2") }
        let graph = try Zoo.architecture(named: "ask/vgg16").graph()
        let counts = try Self.tapCounts(rules + [Rule(pattern: "*", method: "ask:ASK_5a")], on: graph)
        #expect(counts == Array(repeating: 5, count: 10) + Array(repeating: 2, count: 3))
    }

    @Test(arguments: ["layer4.*", "fc", "bn1", "Conv1"])
    func aRuleWithoutAConvolutionIsAMistake(pattern: String) throws {
        let assignment = MethodAssignment(rules: [
            Rule(pattern: "*.conv2", method: "dense"), Rule(pattern: pattern, method: "ask:ASK_5a"),
        ])
        let graph = try Self.resnet()
        let reason = "no convolution follows the rule \"\(pattern)\"; names are like \"conv1\""
        #expect(throws: MethodError(reason)) { try assignment.apply(to: graph) }
    }

    @Test func aRuleBehindAnotherIsAMistake() throws {
        let assignment = MethodAssignment(rules: [
            Rule(pattern: "*", method: "dense"), Rule(pattern: "conv1", method: "ask:ASK_5a"),
        ])
        let graph = try Self.resnet()
        #expect(throws: MethodError.self) { try assignment.apply(to: graph) }
    }

    /// Where a rule's method leaves alone all that it is given, the rule would silently do nothing.
    @Test func aMethodThatChangesNothingIsAMistake() throws {
        let graph = try Graph.build(input: [3, 9, 9]) {
            $0.convolution("a", to: 4, kernel: 7).convolution("b", to: 4, kernel: 1).convolution("c", to: 4, kernel: 3)
        }
        let rules = [Rule(pattern: "c", method: "ask:ASK_5a"), Rule(pattern: "*", method: "acb,dense")]
        let error = #expect(throws: MethodError.self) { try MethodAssignment(rules: rules).apply(to: graph) }
        let reason = "acb leaves every convolution that follows the rule \"*\" as it is (1x1, 7x7); acb: "
        #expect(try #require(error).description.hasPrefix(reason))
        let onlyC = MethodAssignment(rules: [rules[0], Rule(pattern: "*", method: "dense")])
        #expect(try onlyC.apply(to: graph) != graph)
    }

    @Test func noRulesChangeNothing() throws {
        let graph = try Self.resnet()
        #expect(try MethodAssignment(rules: []).apply(to: graph) == graph)
        #expect(try MethodAssignment(method: "dense").apply(to: graph) == graph)
    }

    @Test(arguments: [
        ("winograd:4", "unknown method \"winograd\"; known are dense, ask, hetconv, acb"), ("", "unknown method \"\""),
        ("dense,", "unknown method \"\""), ("ASK:ASK_5a", "unknown method \"ASK\""),
        ("dense:1", "dense takes no argument"), ("]", "unknown method \"]\""),
    ])
    func unknownMethodsAreRefused(text: String, reason: String) throws {
        let error = #expect(throws: MethodError.self) { try Methods.parse(text) }
        #expect(try #require(error).description.hasPrefix(reason))
    }

    @Test func methodsAreAppliedInTheOrderWritten() throws {
        let methods = try Methods.parse("dense, ask:[[1,2],[3,4]] ,dense")
        #expect(methods.map { type(of: $0).name } == ["dense", "ask", "dense"])
    }
}
