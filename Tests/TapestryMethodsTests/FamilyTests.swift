import TapestryCore
import TapestryMethods
import TapestryRewrites
import Testing

/// The networks of each system at their defaults, and their variants.
struct FamilyTests {
    struct Row: CustomTestStringConvertible {
        let name: String
        let input: Shape
        let classes: Int
        let parameters: Int

        init(_ name: String, _ input: Shape, _ classes: Int, _ parameters: Int) {
            (self.name, self.input, self.classes, self.parameters) = (name, input, classes, parameters)
        }

        var testDescription: String { name }
    }

    /// Counts of CIFAR networks and ResNet-18 are recorded; those of ResNet-34, ResNet-50 and MobileNetV1 are those that
    /// torchvision and the MobileNets paper (4.2 M) state; LeNet-5's is worked out by hand.
    static let rows = [
        Row("hetconv/vgg16", [3, 32, 32], 10, 14_987_786),
        Row("acnet/cifar-quick", [3, 32, 32], 10, 117_034),
        Row("acnet/vgg16", [3, 32, 32], 10, 14_986_698),
        Row("acnet/resnet56", [3, 32, 32], 10, 855_770),
        Row("acnet/resnet110", [3, 32, 32], 10, 1_730_714),
        Row("acnet/wrn16-8", [3, 32, 32], 10, 10_962_170),
        Row("acnet/resnet18", [3, 224, 224], 1000, 11_689_512),
        Row("acnet/resnet34", [3, 224, 224], 1000, 21_797_672),
        Row("acnet/resnet50", [3, 224, 224], 1000, 25_557_032),
        Row("acnet/mobilenet-v1", [3, 224, 224], 1000, 4_231_976),
        // Two convolutions with batch norms, 20 and 50 wide; 4x4 positions to 500, 500 to 10.
        Row(
            "acnet/lenet5", [1, 28, 28], 10,
            20 * 25 + 40 + 50 * 20 * 25 + 100 + 800 * 500 + 500 + 500 * 10 + 10),
        Row("shift/resnet20", [3, 32, 32], 10, 272_474),
        Row("shift/resnet56", [3, 32, 32], 10, 855_770),
        Row("shift/resnet110", [3, 32, 32], 10, 1_730_714),
    ]

    @Test(arguments: rows)
    func defaultsAreThePublishedOnes(row: Row) throws {
        let architecture = try #require(Zoo.listed.first { $0.name == row.name })
        let graph = try architecture.graph()
        #expect(graph.inputShape == row.input)
        #expect(try graph.classCount() == row.classes)
        #expect(try Count(graph).parameters == row.parameters)
    }

    /// Sizes that are not the published ones, none a power of two.
    @Test(arguments: rows)
    func otherSizesWorkToo(row: Row) throws {
        let size = row.input[1] + 13
        let graph = try Zoo.architecture(named: row.name).graph(
            NetworkOptions(classes: 7, imageSize: size, channels: 2))
        #expect(graph.inputShape == [2, size, size])
        #expect(try graph.classCount() == 7)
    }

    @Test(arguments: [
        "hetconv/vgg11", "hetconv/", "acnet/", "acnet/resnet20", "acnet/wrn", "shift/resnet21", "shift/resnet020",
        "shift/vgg16", "shift/resnet6008",
    ])
    func otherNamesAreRefused(name: String) {
        #expect(throws: UnknownArchitecture.self) { try Zoo.architecture(named: name) }
    }

    @Test func hetConvNetworkIsNumberedAsPublished() throws {
        let graph = try Zoo.architecture(named: "hetconv/vgg16").graph()
        let convolutions = graph.parameters.filter { $0.role == .convolutionWeight }.map(\.name)
        let numbers = [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40]
        #expect(convolutions == numbers.map { "features.\($0).weight" })
        #expect(graph.parameters.filter { $0.role == .bias }.map(\.name).first == "features.0.bias")
        #expect(graph.nodes.filter { $0.operation.kind == "maxPool" }.count == 5)
        let starts = graph.parameters.filter { $0.role == .convolutionWeight }.map(\.initialization)
        #expect(Set(starts) == [.fanOutNormal])
    }

    /// The method that puts asymmetric blocks into a network tells a unit's form by these names.
    @Test(arguments: rows.map(\.name).filter { $0.hasPrefix("acnet/") })
    func unitsAreToldByTheirNames(name: String) throws {
        let graph = try Zoo.architecture(named: name).graph()
        var units = 0
        for node in graph.nodes where node.name.hasSuffix(".conv") {
            units += 1
            let unit = node.name.dropLast(".conv".count)
            let norm = try #require(graph.node(named: "\(unit).bn"))
            let relu = graph.node(named: "\(unit).relu")
            if norm.inputs == [node.name] {
                if let relu { #expect(relu.inputs == [norm.name]) }
            } else {
                #expect(try #require(relu).inputs == [norm.name])
                #expect(node.inputs == ["\(unit).relu"])
            }
        }
        let convolutions = graph.nodes.count { $0.operation.kind == "convolution" }
        #expect(units == convolutions - (name == "acnet/wrn16-8" ? 1 : 0))
    }

    @Test func residualBranchesHaveNoReLUOfTheirOwn() throws {
        for (name, unit) in [
            ("acnet/resnet56", "stage1.conv1"), ("acnet/resnet56", "stage2.block0.conv2"),
            ("acnet/resnet18", "stage1.0.conv2"), ("acnet/resnet50", "stage1.projection"),
        ] {
            let graph = try Zoo.architecture(named: name).graph()
            #expect(graph.node(named: "\(unit).bn") != nil)
            #expect(graph.node(named: "\(unit).relu") == nil)
        }
    }

    @Test func wideResNetEndsAsPublishedOrCorrected() throws {
        let architecture = try Zoo.architecture(named: "acnet/wrn16-8")
        let published = try architecture.graph()
        #expect(published.node(named: "pool")?.inputs == ["last_bn"])
        #expect(!published.nodes.contains { $0.operation.kind == "dropout" })
        var options = NetworkOptions()
        options.isCorrected = true
        options.dropout = 0.3
        let changed = try architecture.graph(options)
        #expect(changed.node(named: "pool")?.inputs == ["last_relu"])
        let dropouts = changed.nodes.filter { $0.operation == .dropout(probability: 0.3) }
        #expect(dropouts.count == 6)
        #expect(dropouts[0].inputs == ["stage1.block1.conv1.conv"])
        #expect(changed.node(named: "stage1.block1.conv2.bn")?.inputs == ["stage1.block1.dropout"])
        options.dropout = 0
        #expect(try architecture.graph(options).nodes.count == published.nodes.count + 1)
    }

    @Test func leNetHasTwoWidths() throws {
        let architecture = try Zoo.architecture(named: "acnet/lenet5")
        var options = NetworkOptions()
        options.widths = [6, 16]
        let shapes = Dictionary(
            uniqueKeysWithValues: try architecture.graph(options).parameters.map { ($0.name, $0.shape) })
        #expect(shapes["stem.conv1.conv.weight"] == [6, 1, 5, 5])
        #expect(shapes["linear1.weight"] == [500, 256])
        options.widths = [6]
        let error = #expect(throws: GraphError.self) { try architecture.graph(options) }
        #expect(error?.reason.contains("--widths has 1 numbers") == true)
    }

    @Test func optionsOfOtherNetworksAreRefused() throws {
        var options = NetworkOptions()
        options.reduction = 2
        options.isCorrected = true
        for name in ["hetconv/vgg16", "acnet/resnet56", "acnet/wrn16-8"] {
            let architecture = try Zoo.architecture(named: name)
            let error = #expect(throws: GraphError.self) { try architecture.graph(options) }
            #expect(error?.reason.hasPrefix("\(name) takes no --") == true)
        }
    }
}
