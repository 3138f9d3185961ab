import TapestryCore
import TapestryMethods
import Testing

struct ZooTests {
    @Test(arguments: [
        "ask/vgg11", "ask/vgg13", "ask/vgg16", "ask/vgg19", "ask/resnet20", "ask/resnet32", "ask/resnet56",
    ])
    func publishedNetworksAreListedAndBuilt(name: String) throws {
        #expect(Zoo.listed.map(\.name).contains(name))
        let architecture = try Zoo.architecture(named: name)
        #expect(architecture.name == name)
        let graph = try architecture.graph()
        #expect(graph.inputShape == [3, 32, 32])
        #expect(try graph.classCount() == 10)
    }

    @Test(arguments: ["ask/resnet8", "ask/resnet110", "ask/resnet6002"])
    func anyDepthOfTheFamilyIsBuilt(name: String) throws { _ = try Zoo.architecture(named: name).graph() }

    @Test(arguments: [
        "", "ask", "ask/", "resnet20", "ASK/resnet20", "ask/resnet", "ask/resnet2", "ask/resnet21", "ask/resnet020",
        "ask/resnet-20", "ask/resnet+20", "ask/resnet20 ", "ask/resnet٢٠", "ask/resnet6008", "ask/vgg", "ask/vgg12",
        "ask/vgg016", "ask/resnet99999999999999999999",
    ])
    func otherNamesAreRefusedWithTheKnownOnes(name: String) throws {
        let error = #expect(throws: UnknownArchitecture.self) { try Zoo.architecture(named: name) }
        #expect(try #require(error).description.contains("no network is called \"\(name)\"; known are ask/vgg11 "))
    }

    @Test(arguments: ["ask/vgg16", "ask/resnet20"])
    func optionsChangeTheNetworksEnds(name: String) throws {
        let graph = try Zoo.architecture(named: name).graph(NetworkOptions(classes: 100, imageSize: 28, channels: 1))
        #expect(graph.inputShape == [1, 28, 28])
        #expect(try graph.classCount() == 100)
        #expect(graph.parameters[0].shape.dimensions[1] == 1)
    }

    @Test(arguments: [
        ("ask/resnet20", 30, "layer3.0.add"), ("ask/resnet20", 1, "layer2.0.downsample"),
        ("ask/vgg16", 8, "feature.33"),
        ("ask/vgg11", 15, "feature.21"),
    ])
    func sizesThatDoNotFitAreRefusedByNode(name: String, size: Int, node: String) throws {
        let architecture = try Zoo.architecture(named: name)
        let error = #expect(throws: GraphError.self) { try architecture.graph(NetworkOptions(imageSize: size)) }
        #expect(error?.node == node)
    }

    @Test(arguments: [Int.min, -1, 0, 65_537, Int.max])
    func impossibleOptionsAreRefused(value: Int) throws {
        let architecture = try Zoo.architecture(named: "ask/resnet20")
        for options in [
            NetworkOptions(classes: value), NetworkOptions(imageSize: value), NetworkOptions(channels: value),
        ] {
            let error = #expect(throws: GraphError.self) { try architecture.graph(options) }
            #expect(error?.reason.contains("\(value) is not within 1...65536") == true)
        }
    }

    /// As large as every option allows is beyond any memory, and an error.
    @Test func optionsThatAreTooMuchTogetherAreRefused() throws {
        let options = NetworkOptions(imageSize: 65_536, channels: 65_536)
        for name in ["ask/vgg16", "ask/resnet20"] {
            let architecture = try Zoo.architecture(named: name)
            #expect(throws: GraphError.self) { try architecture.graph(options) }
        }
    }

    @Test func shortcutsPassNoGradient() throws {
        let graph = try Zoo.architecture(named: "ask/resnet20").graph()
        let stops = graph.nodes.filter { $0.operation == .stopGradient }.map(\.name)
        #expect(stops == ["layer2.0.downsample.detach", "layer3.0.downsample.detach"])
    }
}
