import TapestryCore
import TapestryMethods
import TapestryTestSupport
import Testing

/// Every cell of the table in Docs/networks-and-methods.md.
struct CompositionTests {
    private typealias Rule = MethodAssignment.Rule

    private static func network(kernel: Int = 3, groups: Int = 1) throws -> Graph {
        try Graph.build(input: [4, 9, 9]) {
            $0.convolution("stem", to: 8, kernel: 3, padding: 1).batchNorm("bn0").relu()
                .convolution("conv", to: 8, kernel: kernel, padding: kernel / 2, groups: groups).batchNorm("bn1").relu()
                .globalAveragePool().linear("fc", to: 3)
        }
    }

    private static func apply(_ method: String, to graph: Graph) throws -> Graph {
        try MethodAssignment(method: method).apply(to: graph)
    }

    private static func support(_ name: String, of graph: Graph) throws -> Support {
        guard case .convolution(let convolution) = try #require(graph.node(named: name)).operation else {
            throw MethodError("no convolution")
        }
        return convolution.support
    }

    private static func expectRefusal(_ method: String, on graph: Graph, _ reason: String) {
        let error = #expect(throws: MethodError.self) { try apply(method, to: graph) }
        #expect(error?.description.contains(reason) == true, "\(method): \(error?.description ?? "accepted")")
    }

    @Test(arguments: ["ask:ASK_5a", "hetconv:4", "acb", "separable", "acb,ask:ASK_4a"])
    func withDenseAMethodIsItself(method: String) throws {
        let graph = try Self.network()
        #expect(try Self.apply("dense,\(method),dense", to: graph) == Self.apply(method, to: graph))
    }

    @Test(arguments: [("acb", "ask:ASK_5a"), ("acb", "hetconv:2"), ("acb", "separable")])
    func theOrderDoesNotMatter(first: String, second: String) throws {
        let graph = try Self.network()
        #expect(try Self.apply("\(first),\(second)", to: graph) == Self.apply("\(second),\(first)", to: graph))
    }

    @Test func branchesOfAnAnyShapeKernelAreItsBars() throws {
        let graph = try Self.apply("acb,ask:[[2,4,5,6],[5,9]]", to: Self.network())
        func sets(_ numbers: [[Int]], in kernel: Size) throws -> Support {
            .tapSets(try numbers.map { try TapSet(numbers: $0, in: kernel) })
        }
        #expect(try Self.support("conv.square_conv", of: graph) == sets([[2, 4, 5, 6], [5, 9]], in: .square(3)))
        #expect(
            try Self.support("conv.ver_conv", of: graph) == sets([[1, 2], [2]], in: Size(height: 3, width: 1)))
        #expect(
            try Self.support("conv.hor_conv", of: graph) == sets([[1, 2, 3], [2]], in: Size(height: 1, width: 3)))
    }

    @Test func branchesOfHeterogeneousKernelsHaveTheirParts() throws {
        let graph = try Self.apply("acb,hetconv:2", to: Self.network())
        for branch in ["square_conv", "ver_conv", "hor_conv"] {
            #expect(try Self.support("conv.\(branch)", of: graph) == .blockDiagonal(parts: 2))
            // It reads the images, so HetConv leaves it dense; its branches are made all the same.
            #expect(try Self.support("stem.\(branch)", of: graph) == .dense)
        }
    }

    /// The value of blocks on a support is that of one kernel on the same support, whichever branch a weight came from.
    @Test(arguments: ["ask:ASK_4b", "ask:ASK_7", "hetconv:4"])
    func branchesStayOnTheSupport(method: String) throws {
        let plain = try Self.apply(method, to: Self.network())
        let blocks = try Self.apply("acb,\(method)", to: Self.network())
        guard case .convolution(let square) = try #require(blocks.node(named: "conv.square_conv")).operation,
            case .convolution(let single) = try #require(plain.node(named: "conv")).operation
        else { throw MethodError("no convolution") }
        var onSupport = Set<Int>()
        single.forEachWeight { onSupport.insert($2) }
        for (bar, place) in [
            ("ver_conv", { (tap: Tap) in Tap(row: tap.row, column: 1) }),
            ("hor_conv", { (tap: Tap) in Tap(row: 1, column: tap.column) }),
        ] {
            guard case .convolution(let branch) = try #require(blocks.node(named: "conv.\(bar)")).operation else {
                return
            }
            for block in branch.outputBlocks {
                for (output, entry) in block.outputs.flatMap({ output in block.entries.map { (output, $0) } }) {
                    for channel in entry.channels {
                        #expect(onSupport.contains(square.densePosition(output, channel, place(entry.tap))))
                    }
                }
            }
        }
    }

    /// Without groups a depthwise convolution is what separable leaves: branches suit it, other supports do not.
    @Test func depthwiseConvolutionsTakeBranchesOnly() throws {
        let blocks = try Self.apply("separable,acb", to: Self.network())
        #expect(blocks.node(named: "conv.depthwise.fused_conv") != nil)
        #expect(blocks.node(named: "conv.pointwise")?.inputs == ["conv.depthwise.fused_conv"])
        // The layer's own batch norm follows the pointwise convolution.
        #expect(blocks.node(named: "bn1")?.inputs == ["conv.pointwise"])
        let graph = try Self.network()
        Self.expectRefusal("separable,ask:ASK_5a", on: graph, "groups; ask needs")
        Self.expectRefusal("hetconv:2,separable", on: graph, "groups; hetconv needs")
        let depthwise = try Self.network(groups: 8)
        Self.expectRefusal("ask:ASK_5a", on: depthwise, "layer \"conv\": has 8 groups; ask needs")
        Self.expectRefusal("hetconv:2", on: depthwise, "layer \"conv\": has 8 groups; hetconv needs")
        Self.expectRefusal("separable", on: depthwise, "layer \"conv\": has groups")
        #expect(try Self.apply("acb", to: depthwise).node(named: "conv.fused_conv") != nil)
    }

    /// A shift leaves 1x1 kernels, which no other method takes; a depthwise convolution takes branches.
    @Test func structuresLeaveTheRestLittle() throws {
        let graph = try Self.network()
        for (pair, name) in [("shift:3,ask:ASK_5a", "ask"), ("hetconv:2,shift:3", "hetconv"), ("acb,shift:3", "acb")] {
            let reason = "\(name) leaves every convolution that follows the rule \"*\" as it is (1x1)"
            Self.expectRefusal(pair, on: graph, reason)
        }
        #expect(try Self.apply("acb,depthwise:1", to: graph).node(named: "conv.depth.fused_conv") != nil)
        Self.expectRefusal("ask:ASK_5a,depthwise:1", on: graph, "groups; ask needs")
        Self.expectRefusal("hetconv:2,depthwise:1", on: graph, "layer \"stem.depth\": has 8 groups; hetconv needs")
        for pair in ["shift:3,depthwise:1", "separable,shift:3", "depthwise:2,separable"] {
            Self.expectRefusal(pair, on: graph, "both replace the layer")
        }
    }

    /// On shift/* the first convolution is outside of the blocks, and other methods reach it.
    @Test func outsideOfShiftBlocksMethodsAct() throws {
        let graph = try MethodAssignment(method: "shift:3,acb,ask:ASK_5a")
            .network(of: Zoo.architecture(named: "shift/resnet8"))
        let plus = Support.tapSets([try TapSet(numbers: [2, 4, 5, 6, 8])])
        #expect(try Self.support("conv1.square_conv", of: graph) == plus)
        #expect(graph.node(named: "layer1.0.shift") != nil)
    }

    @Test func twoOfOneStageAreRefused() throws {
        let graph = try Self.network()
        for pair in ["ask:ASK_5a,hetconv:4", "hetconv:2,hetconv:4", "ask:ASK_5a,acb,ask:ASK_2"] {
            Self.expectRefusal(pair, on: graph, "both say which weights the layer has")
        }
        Self.expectRefusal("acb,acb", on: graph, "acb and acb both split the layer into branches")
        Self.expectRefusal("separable,separable", on: graph, "both replace the layer")
    }

    /// On a network that has been through a method: what the methods before the comma would have been refused for.
    @Test func networksThatHaveAMethodAlready() throws {
        let ask = try Self.apply("ask:ASK_5a", to: Self.network())
        Self.expectRefusal("ask:ASK_5a", on: ask, "already has a support of its own, so ask cannot")
        Self.expectRefusal("hetconv:2", on: ask, "already has a support of its own, so hetconv cannot")
        Self.expectRefusal("separable", on: ask, "support of its own")
        #expect(try Self.apply("acb", to: ask) == Self.apply("acb,ask:ASK_5a", to: Self.network()))
        let blocks = try Self.apply("acb", to: Self.network())
        Self.expectRefusal("acb", on: blocks, "layer \"stem.square_conv\": is a branch")
    }

    @Test func supportsWithoutBarsAreRefused() throws {
        let graph = try Self.network()
        Self.expectRefusal(
            "acb,ask:[[1,2,3],[4,5]]", on: graph, "its tap set [1, 2, 3] has no tap on the middle row")
        Self.expectRefusal("ask:[[4],[5]],acb", on: graph, "its tap set [4] has no tap on the middle column")
        var convolution = Convolution(inputChannels: 4, outputChannels: 2, kernel: .square(3))
        for support in [
            Support.channelTaps(Array(repeating: Tap(row: 1, column: 1), count: 4)),
            .mask(WeightMask(size: 72) { $0 % 2 == 0 }),
        ] {
            convolution.support = support
            let masked = try Graph.build(input: [4, 9, 9]) { [convolution] in
                $0.applying(.convolution(convolution), named: "conv")
            }
            Self.expectRefusal("acb", on: masked, "has a support whose taps differ from channel to channel")
        }
    }

    /// A kernel that a method leaves alone, in a network where it changes others, stays.
    @Test func layersGetMethodsOfTheirOwn() throws {
        let rules = [
            Rule(pattern: "layer1.*.conv1", method: "acb,ask:ASK_5a"), Rule(pattern: "layer1.*", method: "hetconv:4"),
            Rule(pattern: "layer2.0.conv?", method: "separable,acb"), Rule(pattern: "conv1", method: "dense"),
            Rule(pattern: "*", method: "ask:ASK_2"),
        ]
        let graph = try MethodAssignment(rules: rules).apply(to: Zoo.architecture(named: "ask/resnet8").graph())
        #expect(try Self.support("conv1", of: graph) == .dense)
        #expect(
            try Self.support("layer1.0.conv1.square_conv", of: graph) == .tapSets([TapSet(numbers: [2, 4, 5, 6, 8])]))
        #expect(try Self.support("layer1.0.conv2", of: graph) == .blockDiagonal(parts: 4))
        #expect(graph.node(named: "layer2.0.conv1.depthwise.fused_conv") != nil)
        #expect(graph.node(named: "layer1.0.bn1") == nil && graph.node(named: "layer1.0.bn2") != nil)
        guard case .tapSets(let sets) = try Self.support("layer3.0.conv2", of: graph) else {
            throw MethodError("no tap sets")
        }
        #expect(sets.count == 4)
        #expect(try graph.classCount() == 10)
    }
}
