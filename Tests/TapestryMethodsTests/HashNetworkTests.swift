import TapestryCore
import TapestryMethods
import TapestryTestSupport
import Testing

/// Whole networks against the published code: the state dict to the name, and the logits.
struct HashNetworkTests {
    /// The graph of a recorded name such as "ask.resnet20.ASK_4a".
    private static func graph(_ network: HashNetwork) throws -> Graph {
        let words = network.network.split(separator: ".")
        let method = words[2] == "3x3" ? "dense" : "ask:\(words[2])"
        let architecture = try Zoo.architecture(named: "\(words[0])/\(words[1])")
        return try MethodAssignment(method: method).apply(to: architecture.graph())
    }

    private static func kind(_ role: ParameterRole) -> String {
        switch role {
        case .convolutionWeight: "conv_weight"
        case .linearWeight: "linear_weight"
        case .bias: "bias"
        case .batchNormWeight: "bn_weight"
        case .batchNormBias: "bn_bias"
        case .runningMean: "running_mean"
        case .runningVariance: "running_var"
        }
    }

    @Test(arguments: try! HashNetwork.all().filter { $0.parameters != nil })
    func parameterTables(network: HashNetwork) throws {
        let rows = try #require(network.parameters)
        let graph = try Self.graph(network)
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
        let interpreter = try ReferenceInterpreter(graph, weights: Weights.hashed(for: graph, gain: network.gain))
        let value = try interpreter(HashRule.images(network.input).map(Double.init))
        let expected = try #require(try Fixtures.tensors("logits_hash.safetensors")[network.tensor])
        expectClose(value, expected, within: .logits(rms: network.logitsRMS), network.network)
    }
}
