import TapestryCore
import TapestryMethods
import TapestryTestSupport
import Testing

struct ACBTests {
    private static let branches = ["square_conv", "square_bn", "ver_conv", "hor_conv", "ver_bn", "hor_bn"]

    private static func apply(_ method: String = "acb", to graph: Graph) throws -> Graph {
        try MethodAssignment(method: method).apply(to: graph)
    }

    private static func convolution(_ name: String, of graph: Graph) throws -> Convolution {
        guard case .convolution(let convolution) = try #require(graph.node(named: name)).operation else {
            throw MethodError("no convolution")
        }
        return convolution
    }

    /// What the weights of the batch norms of `graph` start at, by name.
    private static func gammas(of graph: Graph) -> [String: Initialization] {
        var gammas: [String: Initialization] = [:]
        for case (let name, .batchNorm(let norm)) in graph.nodes.map({ ($0.name, $0.operation) }) {
            gammas[name] = norm.weightInitialization
        }
        return gammas
    }

    /// A convolution-BN-ReLU layer, a BN-ReLU-convolution layer, a convolution-BN layer and a bare convolution.
    private static func layers() throws -> Graph {
        try Graph.build(input: [3, 9, 9]) {
            $0.convolution("a.conv", to: 4, kernel: 5, padding: 2).batchNorm("a.bn").relu("a.relu")
                .batchNorm("b.bn").relu("b.relu").convolution("b.conv", to: 4, kernel: 3, padding: 1)
                .convolution("c.conv", to: 4, kernel: 3).batchNorm("c.bn").convolution("d", to: 4, kernel: 3)
        }
    }

    @Test func publishedNamesInTheOrderOfTheStateDict() throws {
        let graph = try Self.apply(to: Self.layers())
        func block(_ prefix: String) -> [String] {
            (Self.branches + ["square_and_ver", "fused_conv"]).map { "\(prefix).\($0)" }
        }
        #expect(
            graph.nodes.map(\.name) == block("a.acb") + ["a.relu", "b.bn", "b.relu"] + block("b.acb") + block("c")
                + block("d"))
        #expect(graph.outputName == "d.fused_conv")
        #expect(graph.node(named: "a.relu")?.inputs == ["a.acb.fused_conv"])
        let shapes = graph.parameters.filter { $0.name.hasPrefix("a.acb.") && $0.role == .convolutionWeight }
        #expect(shapes.map(\.shape) == [[4, 3, 5, 5], [4, 3, 5, 1], [4, 3, 1, 5]])
    }

    @Test func theNetworkOfBlocksHasTheLayersShapes() throws {
        let plain = try Self.layers()
        #expect(try Self.apply(to: plain).outputShapes().last == plain.outputShapes().last)
    }

    /// Published: 0.333, whatever the batch norm started at before; but 1 in layers that normalise first, where it is
    /// ignored, unless corrected.
    @Test(arguments: [
        ("acb", 0.333, 1.0), ("acb:gamma=1/3", 1 / 3.0, 1.0), ("acb:gamma=1", 1.0, 1.0), ("acb:gamma=2e-1", 0.2, 1.0),
        ("acb:corrected", 0.333, 0.333), ("acb:gamma=1/3:corrected", 1 / 3.0, 1 / 3.0),
        ("acb:corrected:gamma=0.5", 0.5, 0.5),
    ])
    func batchNormsStartAtGamma(method: String, gamma: Double, inLayersThatNormaliseFirst: Double) throws {
        let gammas = Self.gammas(of: try Self.apply(method, to: Self.layers()))
        #expect(gammas.count == 13 && gammas["b.bn"] == .constant(1))
        for layer in ["a.acb", "b.acb", "c", "d"] {
            for norm in ["square_bn", "ver_bn", "hor_bn"] {
                let expected = layer == "b.acb" ? inLayersThatNormaliseFirst : gamma
                #expect(gammas["\(layer).\(norm)"] == .constant(expected), "\(layer).\(norm)")
            }
        }
    }

    @Test func batchNormsKeepEpsilonAndMomentum() throws {
        let graph = try Graph.build(input: [3, 9, 9]) {
            $0.convolution("conv1", to: 4, kernel: 3, hasBias: true)
                .applying(.batchNorm(BatchNorm(channels: 4, epsilon: 1e-3, momentum: 0.25)), named: "bn1").relu()
                .convolution("conv2", to: 4, kernel: 3, hasBias: true)
        }
        let blocks = try Self.apply(to: graph)
        #expect(!blocks.parameters.contains { $0.name.hasSuffix("_conv.bias") })
        for (name, epsilon, momentum) in [("conv1.ver_bn", 1e-3, 0.25), ("conv2.hor_bn", 1e-5, 0.1)] {
            let norm = BatchNorm(
                channels: 4, epsilon: epsilon, momentum: momentum, weightInitialization: .constant(0.333))
            #expect(blocks.node(named: name)?.operation == .batchNorm(norm))
        }
        #expect(blocks.node(named: "bn1") == nil)
    }

    /// Where two layers normalise what a convolution gives, or the batch norm is the next layer's, it stays.
    @Test func batchNormsOfOtherLayersStay() throws {
        let graph = try Graph.build(input: [3, 9, 9]) { image in
            let x = image.convolution("conv1", to: 4, kernel: 3)
            let y = x.batchNorm("a.bn").relu("a.relu").convolution("a.conv", to: 4, kernel: 1)
            return y.adding(x.batchNorm("b.bn").relu("b.relu"), named: "sum")
        }
        let blocks = try Self.apply(to: graph)
        #expect(blocks.node(named: "a.bn")?.inputs == ["conv1.fused_conv"])
        #expect(blocks.node(named: "b.bn")?.inputs == ["conv1.fused_conv"])
    }

    /// The bars lie on the middle column and row; where the padding is too small for that, they crop.
    @Test func barsArePaddedLikeTheMiddle() throws {
        for (padding, vertical, horizontal) in [
            (
                Padding.all(1), Padding(top: 1, left: -1, bottom: 1, right: -1),
                Padding(top: -1, left: 1, bottom: -1, right: 1)
            ),
            (
                Padding(top: 3, left: 2, bottom: 5, right: 0), Padding(top: 3, left: 0, bottom: 5, right: -2),
                Padding(top: 1, left: 2, bottom: 3, right: 0)
            ),
        ] {
            let convolution = Convolution(
                inputChannels: 3, outputChannels: 4, kernel: .square(5), stride: .square(2), padding: padding)
            let blocks = try Self.apply(
                to: Graph.build(input: [3, 9, 9]) { $0.applying(.convolution(convolution), named: "x") })
            #expect(try Self.convolution("x.square_conv", of: blocks) == convolution)
            let bars = try (Self.convolution("x.ver_conv", of: blocks), Self.convolution("x.hor_conv", of: blocks))
            #expect(bars.0.padding == vertical && bars.0.kernel == Size(height: 5, width: 1))
            #expect(bars.1.padding == horizontal && bars.1.kernel == Size(height: 1, width: 5))
        }
    }

    /// With batch norms that do nothing, the block is the convolution with the bars added onto the middle: for dilation
    /// too, where the published block's branches do not fit together.
    @Test(arguments: [0, 1, 4], [1, 2])
    func branchesAddUpToOneKernel(padding: Int, dilation: Int) throws {
        var stream = RandomStream(seed: 12, purpose: .test, UInt64(padding), UInt64(dilation))
        for (side, groups) in [(3, 1), (5, 2)] {
            let convolution = Convolution(
                inputChannels: 4, outputChannels: 6, kernel: .square(side), stride: Size(height: 1, width: 2),
                padding: .all(padding), dilation: Size(height: dilation, width: 1 + dilation), groups: groups)
            let plain = try Graph.build(input: [4, 15, 17]) { $0.applying(.convolution(convolution), named: "x") }
            let blocks = try Self.apply(to: plain)
            var weights = stream.weights(for: blocks)
            for norm in ["square_bn", "ver_bn", "hor_bn"] {
                for (suffix, value) in [
                    ("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", Float(1 - 1e-5)),
                ] {
                    weights.tensors["x.\(norm).\(suffix)"] = Tensor(shape: [6], repeating: value)
                }
            }
            var kernel = try #require(weights.tensors["x.square_conv.weight"])
            let vertical = try #require(weights.tensors["x.ver_conv.weight"])
            let horizontal = try #require(weights.tensors["x.hor_conv.weight"])
            for plane in 0..<6 * 4 / groups {
                for place in 0..<side {
                    kernel.elements[(plane * side + place) * side + side / 2] += vertical.elements[plane * side + place]
                    kernel.elements[(plane * side + side / 2) * side + place] +=
                        horizontal.elements[plane * side + place]
                }
            }
            let images = stream.tensor([2, 4, 15, 17])
            let expected = try ReferenceInterpreter(plain, weights: Weights(tensors: ["x.weight": kernel]))(images)
            expectClose(
                try ReferenceInterpreter(blocks, weights: weights)(images), expected, within: Tolerance(absolute: 1e-5),
                "\(side)x\(side)")
        }
    }

    @Test(arguments: try! ACBCase.all())
    func publishedBlocks(block: ACBCase) throws {
        let tensors = try block.tensors()
        let weights = try block.weights(tensors, afterStep: true)
        let x = try #require(tensors["x"]).map(Double.init)
        let y = try ReferenceInterpreter(try Self.apply(to: block.plainGraph()), weights: weights)(x)
        expectClose(y, try #require(tensors["eval.y"]), within: Tolerance(absolute: 1e-5), block.name)
    }

    @Test(arguments: [
        "acb:", "acb:gamma", "acb:gamma=", "acb:gamma=0", "acb:gamma=-1", "acb:gamma=nan", "acb:gamma=inf",
        "acb:gamma=1/0", "acb:gamma=1/2/3", "acb:gamma=/3", "acb:gamma=1e-300/1e300", "acb:gamma=1:gamma=1", "acb:0.5",
        "acb:corrected:corrected", "acb:corrected:", "acb:Corrected",
    ])
    func argumentsThatMakeNoSense(text: String) throws {
        let error = #expect(throws: MethodError.self) { try Methods.parse(text) }
        #expect(try #require(error).description.contains("expected gamma=NUMBER"))
    }

    @Test func kernelsOfOtherSizesStay() throws {
        for kernel in [1, 2, 4, 7].map({ Size.square($0) }) + [Size(height: 3, width: 1), Size(height: 3, width: 5)] {
            let convolution = Convolution(inputChannels: 3, outputChannels: 4, kernel: kernel)
            let graph = try Graph.build(input: [3, 9, 9]) { $0.applying(.convolution(convolution), named: "x") }
            let error = #expect(throws: MethodError.self) { try Self.apply(to: graph) }
            let reason = "acb leaves every convolution that follows the rule \"*\" as it is (\(kernel)); acb: "
            #expect(try #require(error).description.hasPrefix(reason))
        }
    }
}
