import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryRuntime
import TapestryTestSupport
import Testing

struct ZooNetworkTests {
    /// Networks of every family, dense and on supports; small images where the network is large.
    @Test(arguments: [
        ("ask/resnet20", nil, nil), ("ask/resnet20", "ask:ASK_4a", nil), ("ask/resnet20", "hetconv:4", nil),
        ("ask/vgg11", "ask:ASK_5a", nil), ("hetconv/vgg16", "hetconv:4", nil), ("acnet/cifar-quick", "acb", nil),
        ("acnet/resnet18", nil, 64), ("acnet/mobilenet-v1", nil, 64), ("acnet/lenet5", nil, nil),
        ("acnet/wrn16-8", "ask:ASK_2", nil), ("shift/resnet20", "shift:3", nil), ("shift/resnet20", "depthwise:1", nil),
        ("ec2t/micronet", nil, nil), ("ec2t/efficientnet-b0", nil, 64), ("ec2t/resnet18", nil, 64),
    ])
    func agreesWithTheInterpreter(name: String, method: String?, imageSize: Int?) throws {
        let plans = [(1, 2), (16, 2)]
        try expectAgreement(name, method, imageSize, on: InstructionSet.supported()[0], plans: plans)
    }

    /// The same where floats are multiplied in parts, in software if need be.
    @Test(
        .enabled(if: InstructionSet.tested().contains { $0.name == "amx" }),
        arguments: [
            ("ask/resnet20", "ask:ASK_4a", nil), ("ask/vgg11", "ask:ASK_5a", nil), ("acnet/resnet18", nil, 64),
            ("ec2t/efficientnet-b0", nil, 64),
        ] as [(String, String?, Int?)])
    func agreesWithTheInterpreterInParts(name: String, method: String?, imageSize: Int?) throws {
        let parts = try #require(InstructionSet.tested().first { $0.name == "amx" })
        try expectAgreement(name, method, imageSize, on: parts, plans: [(2, 1)])
    }

    private func expectAgreement(
        _ name: String, _ method: String?, _ imageSize: Int?, on instructionSet: InstructionSet,
        plans: [(batch: Int, threads: Int)]
    ) throws {
        let architecture = try Zoo.architecture(named: name)
        let options = NetworkOptions(imageSize: imageSize)
        let graph =
            try method.map { try MethodAssignment(method: $0).network(of: architecture, options) }
            ?? architecture.graph(options)
        var stream = RandomStream(seed: 1, purpose: .test)
        let weights = Weights.hashed(for: graph)
        let model = try Model(graph: graph, weights: weights).deployed()
        let images = stream.images(2, for: graph)
        let expected = try ReferenceInterpreter(model.graph, weights: model.weights)(images.map(Double.init))
        for plan in plans {
            let network = try NativeNetwork(
                model, batch: plan.batch, threads: plan.threads, instructionSet: instructionSet)
            expectLogits(try network(images), expected, name)
        }
    }
}
