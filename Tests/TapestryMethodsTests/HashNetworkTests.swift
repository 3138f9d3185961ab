import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

/// Whole networks against the published code: the state dict to the name, and the logits.
struct HashNetworkTests {
    /// The architecture and method of a recorded name such as "ask.resnet20.ASK_4a" or "acnet.vc.base.gain2.0"; EC2T's
    /// end in the image's size where it is not the network's own.
    private static func network(_ network: HashNetwork) throws -> (architecture: String, method: String) {
        let words = network.network.split(separator: ".").map(String.init)
        let acnetNames = ["cfqkbnc": "cifar-quick", "vc": "vgg16", "src56": "resnet56", "wrnc16plain": "wrn16-8"]
        switch (words[0], words[1]) {
        case ("ask", let name): return ("ask/\(name)", words[2] == "3x3" ? "dense" : "ask:\(words[2])")
        case ("hetconv", let name): return ("hetconv/\(name)", "hetconv:\(words[2].dropFirst())")
        case ("acnet", let name):
            return ("acnet/\(try #require(acnetNames[name]))", words[2] == "base" ? "dense" : "acb")
        case ("ec2t", "micronet_c100"): return ("ec2t/micronet", "dense")
        case ("ec2t", let name):
            let withoutSize = name.hasSuffix("_64") ? String(name.dropLast(3)) : name
            return ("ec2t/\(withoutSize.replacing("_", with: "-"))", "dense")
        case ("shift", "ResNet20"): return ("shift/resnet20", "dense")
        case ("shift", "ShiftResNet20"): return ("shift/resnet20", "shift:\(words[2].dropFirst())")
        case ("shift", "DepthwiseResNet20"): return ("shift/resnet20", "depthwise:1")
        default: throw GraphError(node: network.network, reason: "is recorded, but of no network that this test knows")
        }
    }

    private static func graph(_ network: HashNetwork) throws -> Graph {
        let (architecture, method) = try Self.network(network)
        return try MethodAssignment(method: method).network(
            of: try Zoo.architecture(named: architecture),
            NetworkOptions(imageSize: network.input[2], channels: network.input[1]))
    }

    private static func kind(_ role: ParameterRole) -> String {
        switch role {
        case .convolutionWeight: "conv_weight"
        case .linearWeight: "linear_weight"
        case .bias: "bias"
        case .batchNormWeight, .scale: "bn_weight"
        case .batchNormBias: "bn_bias"
        case .runningMean: "running_mean"
        case .runningVariance: "running_var"
        }
    }

    @Test(arguments: try! HashNetwork.all().filter { $0.parameters != nil })
    func parameterTables(network: HashNetwork) throws {
        let rows = try #require(network.parameters)
        let graph = try Self.graph(network).withPublishedHetConvLayers()
        let parameters = graph.parameters
        #expect(parameters.map(\.name) == rows.map(\.name))
        #expect(parameters.map(\.shape) == rows.map(\.shape))
        #expect(parameters.map { Self.kind($0.role) } == rows.map(\.kind))
        #expect(Array(parameters.indices) == rows.map(\.place))
        let trainable = parameters.filter(\.role.isTrainable).reduce(0) { $0 + $1.shape.count }
        #expect(trainable == network.parametersTotal)
        let weights = Weights.hashed(for: graph, gain: network.gain)
        for (parameter, row) in zip(parameters, rows) {
            // Biases have a fan-in too, of which the table says nothing.
            if let fanIn = row.fanIn { #expect(parameter.fanIn == fanIn, "\(row.name)") }
            let sum = try #require(weights.tensors[row.name]).elements.reduce(0) { $0 + Double($1) }
            expectClose(sum, row.sum, within: Tolerance(absolute: 1e-8), row.name)
        }
    }

    @Test(arguments: try! HashNetwork.all())
    func logits(network: HashNetwork) throws {
        let graph = try Self.graph(network)
        let published = Weights.hashed(for: graph.withPublishedHetConvLayers(), gain: network.gain)
        let interpreter = try ReferenceInterpreter(
            graph, weights: try graph.weights(fromPublishedHetConvLayers: published))
        let value = try interpreter(HashRule.images(network.input).map(Double.init))
        let expected = try #require(try Fixtures.tensors("logits_hash.safetensors")[network.tensor])
        expectClose(value, expected, within: .logits(rms: network.logitsRMS), network.network)
    }
}

extension HashNetworkTests {
    /// Whole networks once they are deployed, against the published code's own: fused, for ACNet.
    @Test(arguments: [
        "acnet.cfqkbnc.acb", "acnet.src56.acb", "acnet.vc.acb", "shift.ShiftResNet20.e3", "shift.DepthwiseResNet20",
        "ask.resnet20.ASK_4a", "ec2t.lenet5", "ec2t.resnet20", "ec2t.efficientnet_b0_64.gain1.875",
    ])
    func deployedLogits(tensor: String) throws {
        let network = try #require(try HashNetwork.all().first { $0.tensor == tensor })
        let graph = try Self.graph(network)
        let model = try Model(graph: graph, weights: Weights.hashed(for: graph, gain: network.gain)).deployed()
        #expect(!model.graph.nodes.contains { if case .batchNorm = $0.operation { true } else { false } })
        let value = try ReferenceInterpreter(model.graph, weights: model.weights)(
            HashRule.images(network.input).map(Double.init))
        let recorded = try Fixtures.tensors("logits_hash.safetensors")
        let expected = try #require(recorded["\(tensor).fused"] ?? recorded[tensor])
        expectClose(value, expected, within: .logits(rms: network.logitsRMS), tensor)
    }
}

/// HetConv's published layer stores and computes a full 1x1 convolution beside the one of groups, and holds the blocks at
/// zero that the groups cover; ours has no place for them.
extension Graph {
    fileprivate func withPublishedHetConvLayers() -> Graph {
        var published = self
        published.nodes = nodes.flatMap { node in
            guard case .convolution(let convolution) = node.operation,
                case .blockDiagonal(let parts) = convolution.support
            else { return [node] }
            var grouped = convolution
            (grouped.support, grouped.groups) = (.dense, parts)
            var pointwise = convolution
            (pointwise.support, pointwise.kernel, pointwise.padding) = (.dense, .square(1), .none)
            return [
                Node(name: "\(node.name).gwc", operation: .convolution(grouped), inputs: node.inputs),
                Node(name: "\(node.name).pwc", operation: .convolution(pointwise), inputs: node.inputs),
                Node(name: node.name, operation: .add, inputs: ["\(node.name).gwc", "\(node.name).pwc"]),
            ]
        }
        return published
    }

    fileprivate func weights(fromPublishedHetConvLayers published: Weights) throws -> Weights {
        var weights = published
        for node in nodes {
            guard case .convolution(let convolution) = node.operation,
                case .blockDiagonal(let parts) = convolution.support
            else { continue }
            let full = try #require(published.tensors["\(node.name).pwc.weight"])
            let (outputs, inputs) = (convolution.outputChannels, convolution.inputChannels)
            var kept: [Float] = []
            for output in 0..<outputs {
                for input in 0..<inputs where input / (inputs / parts) != output / (outputs / parts) {
                    kept.append(full.elements[output * inputs + input])
                }
            }
            weights.tensors["\(node.name).pwc.weight"] =
                Tensor(shape: [outputs, inputs - inputs / parts, 1, 1], elements: kept)
        }
        return weights
    }
}
