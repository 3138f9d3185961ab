import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

struct ShiftTests {
    private static func network(
        _ rules: [MethodAssignment.Rule], _ options: NetworkOptions = NetworkOptions()
    ) throws -> Graph {
        try MethodAssignment(rules: rules).network(of: Zoo.architecture(named: "shift/resnet8"), options)
    }

    private static func network(_ method: String, _ options: NetworkOptions = NetworkOptions()) throws -> Graph {
        try network([.init(pattern: "*", method: method)], options)
    }

    private static func kinds(_ graph: Graph, _ block: String) -> [String] {
        graph.nodes.filter { $0.name.hasPrefix("\(block).") }
            .map { "\($0.name.dropFirst(block.count + 1)) \($0.operation.kind)" }
    }

    @Test func theBlockIsThePapersInThePublishedOrder() throws {
        let graph = try Self.network("shift:3")
        #expect(
            Self.kinds(graph, "layer2.0") == [
                "conv1 convolution", "bn1 batchNorm", "relu1 relu", "shift shift", "conv2 convolution", "bn2 batchNorm",
                "relu2 relu", "shortcut.0 convolution", "shortcut.1 batchNorm", "add add",
            ])
        #expect(graph.node(named: "layer2.1.conv1") == nil)
        let shapes = Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, $0.shape) })
        #expect(shapes["conv1.weight"] == [16, 3, 3, 3])
        #expect(shapes["layer2.0.conv1.weight"] == [96, 16, 1, 1])
        #expect(shapes["layer2.0.conv2.weight"] == [32, 96, 1, 1])
        #expect(shapes["layer2.0.shortcut.0.weight"] == [32, 16, 1, 1])
        let outputs = Dictionary(uniqueKeysWithValues: zip(graph.nodes.map(\.name), try graph.outputShapes()))
        #expect(outputs["layer2.0.shift"] == [96, 32, 32])
        #expect(outputs["layer2.0.add"] == [32, 16, 16])
    }

    @Test func expansionIsARealNumberCutOff() throws {
        let graph = try Self.network("shift:1.45")
        #expect(graph.parameters.first { $0.name == "layer1.0.conv1.weight" }?.shape == [23, 16, 1, 1])
    }

    @Test func correctedTheReLUFollowsTheSum() throws {
        var options = NetworkOptions()
        options.isCorrected = true
        let graph = try Self.network("shift:1", options)
        #expect(Self.kinds(graph, "layer1.0").suffix(3) == ["bn2 batchNorm", "add add", "relu2 relu"])
        let spatial = Self.kinds(try Self.network("depthwise:1", options), "layer1.0")
        #expect(spatial.contains("relu2 relu"))
        #expect(!Self.kinds(try Self.network("depthwise:1"), "layer1.0").contains("relu2 relu"))
        let starts = graph.parameters.filter { $0.role == .batchNormWeight }.map(\.initialization)
        #expect(Set(starts) == [.constant(1)])
        let published = try Self.network("shift:1").parameters.filter { $0.role == .batchNormWeight }
        #expect(Set(published.map(\.initialization)) == [.unitUniform])
    }

    /// Blocks of three forms in one network, by their names; what the method of a block does not replace is left to others.
    @Test func blocksCanDiffer() throws {
        let graph = try Self.network([
            .init(pattern: "layer1.*", method: "shift:2"), .init(pattern: "layer2.*", method: "depthwise:2"),
            .init(pattern: "layer3.*", method: "ask:ASK_5a"),
        ])
        #expect(graph.node(named: "layer1.0.shift") != nil)
        #expect(Self.kinds(graph, "layer2.0").contains("depth convolution"))
        let names = graph.parameters.map(\.name)
        #expect(names.contains("layer3.0.conv1.conv0.weight"))
        #expect(names.contains("conv1.weight"))
    }

    @Test func reductionsAreForPlainBlocksOnly() throws {
        var options = NetworkOptions()
        options.reduction = 2
        for (method, hint) in [("shift:3", "shift:E says"), ("depthwise:1", "depthwise:R divides")] {
            let error = #expect(throws: MethodError.self) { try Self.network(method, options) }
            #expect(try #require(error).description.hasPrefix("block \"layer1.0\": "))
            #expect(try #require(error).description.contains(hint))
        }
        options.reduction = 1
        #expect(try Self.network("shift:3", options) == Self.network("shift:3"))
        options.reduction = 1024
        #expect(throws: GraphError.self) { try Self.network("dense", options) }
        options.reduction = nil
        options.reductionMode = .block
        #expect(throws: GraphError.self) { try Self.network("dense", options) }
    }

    // MARK: - On other networks

    @Test func aLayerBecomesTwoPointwiseOnesAndAShift() throws {
        let convolution = Convolution(
            inputChannels: 8, outputChannels: 12, kernel: .square(5), stride: .square(2), padding: .all(4),
            dilation: .square(2), hasBias: true, weightInitialization: .fanOutNormal)
        let dense = try Graph.build(input: [8, 11, 10]) { $0.applying(.convolution(convolution), named: "conv").relu() }
        let graph = try MethodAssignment(method: "shift:2.5").apply(to: dense)
        #expect(graph.nodes.map(\.name) == ["conv.conv1", "conv.shift", "conv.conv2", "conv.relu"])
        #expect(graph.nodes[1].operation == .shift(Shift(kernel: 5, dilation: 2)))
        #expect(graph.parameters.map(\.name) == ["conv.conv1.weight", "conv.conv2.weight", "conv.conv2.bias"])
        #expect(graph.parameters.map(\.shape) == [[30, 8, 1, 1], [12, 30, 1, 1], [12]])
        #expect(graph.parameters[0].initialization == .fanOutNormal)
        #expect(try graph.outputShapes().last == dense.outputShapes().last)
    }

    /// With kernels that copy channels, output channel c is the input moved by the tap of c.
    @Test func channelsMoveByTheirTaps() throws {
        let dense = try Graph.build(input: [9, 4, 5]) { $0.convolution("conv", to: 9, kernel: 3, padding: 1) }
        let graph = try MethodAssignment(method: "shift:1").apply(to: dense)
        let identity = Tensor<Float>(
            shape: [9, 9, 1, 1], elements: (0..<81).map { $0 / 9 == $0 % 9 ? 1 : 0 })
        let moved = try ReferenceInterpreter(
            graph, weights: Weights(tensors: ["conv.conv1.weight": identity, "conv.conv2.weight": identity]))
        var taps = Tensor<Float>(shape: [9, 9, 3, 3], repeating: 0)
        for channel in 0..<9 { taps.elements[channel * 81 + channel * 9 + channel] = 1 }
        let direct = try ReferenceInterpreter(dense, weights: Weights(tensors: ["conv.weight": taps]))
        let images = HashRule.images([2, 9, 4, 5]).map(Double.init)
        #expect(try moved(images) == direct(images))
    }

    /// A 1x1 convolution has nothing spatial; alone, it leaves the method nothing to do, which is said.
    @Test func pointwiseLayersStay() throws {
        let graph = try Graph.build(input: [8, 5, 5]) {
            $0.convolution("conv1", to: 8, kernel: 1).convolution("conv2", to: 8, kernel: 3, padding: 1)
        }
        for method in ["shift:3", "depthwise:3"] {
            let rewritten = try MethodAssignment(method: method).apply(to: graph)
            #expect(rewritten.nodes.first == graph.nodes.first)
            let rule = MethodAssignment(rules: [.init(pattern: "conv1", method: method)])
            let error = #expect(throws: MethodError.self) { try rule.apply(to: graph) }
            #expect(try #require(error).description.contains("leaves every convolution"))
        }
    }

    @Test func aRuleWithoutABlockIsAMistake() throws {
        let error = #expect(throws: MethodError.self) { try Self.network([.init(pattern: "conv1", method: "shift:3")]) }
        #expect(try #require(error).description.hasPrefix("no block follows the rule \"conv1\""))
    }

    @Test(arguments: [
        ("shift", "shift needs its expansion"), ("shift:0", "shift needs its expansion"),
        ("shift:-1", "from 1/1024"), ("shift:nan", "from 1/1024"), ("shift:2000", "to 1024"),
        ("shift:three", "as in shift:3"), ("depthwise", "depthwise needs its reduction"),
        ("depthwise:1e-300", "as in depthwise:1"), ("depthwise:inf", "as in depthwise:1"),
    ])
    func badArgumentsAreRefused(method: String, reason: String) throws {
        let error = #expect(throws: MethodError.self) { try Methods.parse(method) }
        #expect(try #require(error).description.contains(reason))
    }

    @Test func whatAShiftCannotRepresentIsRefusedByLayer() throws {
        func refusal(_ method: String, _ convolution: Convolution) throws -> String {
            let graph = try Graph.build(input: [convolution.inputChannels, 9, 9]) {
                $0.applying(.convolution(convolution), named: "conv")
            }
            let assignment = MethodAssignment(method: method)
            let error = #expect(throws: MethodError.self) { try assignment.apply(to: graph) }
            return try #require(error).description
        }
        let plain = Convolution(inputChannels: 4, outputChannels: 4, kernel: .square(3), padding: .all(1))
        func changed(_ change: (inout Convolution) -> Void) -> Convolution {
            var convolution = plain
            change(&convolution)
            return convolution
        }
        let padding = "layer \"conv\": its padding is not 1 on every side"
        #expect(try refusal("shift:3", changed { $0.padding = .none }).hasPrefix(padding))
        #expect(try refusal("shift:3", changed { $0.padding.left = 2 }).hasPrefix(padding))
        #expect(try refusal("shift:3", changed { $0.dilation = .square(2) }).contains("padding is not 2"))
        #expect(try refusal("shift:3", changed { $0.kernel = .square(2) }).contains("2x2 kernel is not an odd square"))
        #expect(
            try refusal("shift:3", changed { $0.kernel = Size(height: 1, width: 3) }).contains("not an odd square"))
        #expect(try refusal("shift:3", changed { $0.groups = 2 }).contains("shift needs a dense"))
        #expect(try refusal("depthwise:3", changed { $0.groups = 2 }).contains("depthwise needs a dense"))
        #expect(try refusal("shift:0.2", plain).contains("less than one channel"))
        #expect(try refusal("depthwise:5", plain).contains("less than one channel"))
        #expect(try refusal("shift:3,depthwise:1", plain).contains("both replace the layer"))
    }
}
