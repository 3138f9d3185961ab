import TapestryCore
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

/// The systems' networks, counted exactly and as published, against the recorded tables.
struct PublishedCountTests {
    private static func network(
        _ name: String, _ method: String, _ options: NetworkOptions = NetworkOptions()
    ) throws -> (architecture: Architecture, graph: Graph) {
        let architecture = try Zoo.architecture(named: name)
        return (architecture, try MethodAssignment(method: method).network(of: architecture, options))
    }

    private static func expect(
        _ architecture: Architecture, _ graph: Graph, conventions: [(name: String, parameters: Int, macs: Double)],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(
            architecture.conventions.map(\.name) == conventions.map(\.name), sourceLocation: sourceLocation)
        for (convention, expected) in zip(architecture.conventions, conventions) {
            let total = try convention.count(graph)
            #expect(total.parameters == expected.parameters, "\(expected.name)", sourceLocation: sourceLocation)
            #expect(total.macs == expected.macs, "\(expected.name)", sourceLocation: sourceLocation)
        }
    }

    // MARK: - ASK

    struct ASKRow: Decodable, CustomTestStringConvertible {
        let network: String
        let kernel: String
        let params: Int
        let macs: Int
        let conventionFLOPs: Int

        private enum CodingKeys: String, CodingKey {
            case network, kernel, params, macs
            case conventionFLOPs = "published_convention_flops"
        }

        var testDescription: String { "\(network) \(kernel)" }
    }

    @Test(arguments: try! PublishedCountTests.rows(\.ask, 50))
    func ask(row: ASKRow) throws {
        let name = "ask/" + row.network.lowercased().replacing("-", with: "")
        let (architecture, graph) = try Self.network(name, row.kernel == "3x3" ? "dense" : "ask:\(row.kernel)")
        let count = try Count(graph)
        #expect(count.parameters == row.params)
        #expect(count.macs == row.macs)
        try Self.expect(
            architecture, graph, conventions: [("published", row.params, Double(row.conventionFLOPs))])
    }

    // MARK: - HetConv

    struct HetConvRow: Decodable, CustomTestStringConvertible {
        let parts: Int
        let storedParameters: Int
        let parameters: Int
        let executedMACs: Int
        let macs: Int
        let conventionFLOPs: Double
        let publishedMillions: Double

        private enum CodingKeys: String, CodingKey {
            case parts = "P"
            case storedParameters = "params_stored"
            case parameters = "params_effective"
            case executedMACs = "macs_as_executed"
            case macs = "macs_effective"
            case conventionFLOPs = "published_convention_flops"
            case publishedMillions = "published_flops_M"
        }

        var testDescription: String { "P = \(parts)" }
    }

    @Test(arguments: try! PublishedCountTests.rows(\.hetconv, 5))
    func hetConv(row: HetConvRow) throws {
        let (architecture, graph) = try Self.network("hetconv/vgg16", "hetconv:\(row.parts)")
        let count = try Count(graph)
        #expect(count.parameters == row.parameters)
        #expect(count.macs == row.macs)
        #expect(architecture.conventions.map(\.name) == ["published", "published-stored"])
        let published = try architecture.conventions[0].count(graph)
        #expect(published.parameters == row.parameters)
        // Sums of ninths.
        expectClose(published.macs, row.conventionFLOPs, within: Tolerance(relative: 1e-15))
        #expect((published.macs / 1e4).rounded(.towardZero) / 100 == row.publishedMillions)
        let stored = try architecture.conventions[1].count(graph)
        #expect(stored.parameters == row.storedParameters)
        #expect(stored.macs == Double(row.executedMACs))
    }

    /// The paper's table; cut off, not rounded.
    @Test(arguments: [
        (1, 313.74), (2, 175.23), (4, 105.98), (8, 71.35), (16, 54.04), (32, 45.38), (64, 41.05),
    ])
    func hetConvTable(parts: Int, millions: Double) throws {
        let (architecture, graph) = try Self.network("hetconv/vgg16", "hetconv:\(parts)")
        let published = try architecture.conventions[0].count(graph)
        #expect((published.macs / 1e4).rounded(.towardZero) / 100 == millions)
    }

    // MARK: - ShiftNet

    struct ShiftRow: Decodable, CustomTestStringConvertible {
        let network: String
        let expansion: Double?
        let reduction: Double?
        let mode: String?
        let params: Int
        let macs: Int
        let current: Double
        let readme: Double

        private enum CodingKeys: String, CodingKey {
            case network, expansion, reduction, params, macs
            case mode = "reduction_mode"
            case current = "reference_count_current"
            case readme = "reference_count_readme"
        }

        var testDescription: String { "\(network) \(expansion ?? reduction ?? 1) \(mode ?? "")" }
    }

    @Test(arguments: try! PublishedCountTests.rows(\.shift, 21))
    func shift(row: ShiftRow) throws {
        let depth = row.network.drop { !$0.isNumber }
        var options = NetworkOptions()
        var method = "dense"
        if let expansion = row.expansion {
            method = "shift:\(expansion)"
        } else if let reduction = row.reduction, row.network.hasPrefix("Depthwise") {
            method = "depthwise:\(reduction)"
        } else {
            options.reduction = row.reduction
            options.reductionMode = row.mode.flatMap(NetworkOptions.ReductionMode.init)
        }
        let (architecture, graph) = try Self.network("shift/resnet\(depth)", method, options)
        let count = try Count(graph)
        #expect(count.parameters == row.params)
        #expect(count.macs == row.macs)
        try Self.expect(
            architecture, graph,
            conventions: [
                ("published", row.params, row.readme), ("published-current", row.params, row.current),
            ])
    }

    // MARK: - EC2T

    struct EC2TRow: Decodable, CustomTestStringConvertible {
        let network: String
        let params: Int
        let macs: Int
        let padding: String?

        var testDescription: String { "\(network) \(padding ?? "")" }
    }

    @Test(arguments: try! PublishedCountTests.rows(\.ec2t, 21))
    func ec2t(row: EC2TRow) throws {
        let names = ["MicroNet CIFAR-100": "micronet", "LeNet-5": "lenet5", "ResNet-20 (option A)": "resnet20"]
        let simple = row.network.lowercased()
        let name = names[row.network] ?? (row.padding == nil ? simple.replacing("-", with: "") : simple)
        var options = NetworkOptions()
        options.isCorrected = row.padding?.hasPrefix("dynamic") ?? false
        let (_, graph) = try Self.network("ec2t/\(name)", "dense", options)
        let count = try Count(graph)
        #expect(count.parameters == row.params)
        #expect(count.macs == row.macs)
    }

    // MARK: - ACNet

    struct ACNetRow: Decodable, CustomTestStringConvertible {
        struct Total: Decodable {
            let params: Int
            let macs: Int
        }

        let network: String
        let name: String
        let base: Total
        let acb: Total
        let deploy: Total

        private enum CodingKeys: String, CodingKey {
            case network, base, acb, deploy
            case name = "reference_name"
        }

        var testDescription: String { network }
    }

    private static let acnetNames = [
        "cfqkbnc": "cifar-quick", "vc": "vgg16", "src56": "resnet56", "wrnc16plain": "wrn16-8", "sres18": "resnet18",
    ]

    @Test(arguments: try! PublishedCountTests.rows(\.acnet, 5), ["dense", "acb"])
    func acnet(row: ACNetRow, method: String) throws {
        let name = try #require(Self.acnetNames[row.name])
        let (architecture, graph) = try Self.network("acnet/\(name)", method)
        let count = try Count(graph)
        let expected = method == "dense" ? row.base : row.acb
        #expect(count.parameters == expected.params)
        #expect(count.macs == expected.macs)
        try Self.expect(
            architecture, graph, conventions: [("deployed", row.deploy.params, Double(row.deploy.macs))])
    }
}

extension PublishedCountTests {
    struct File: Decodable {
        let ask: [ASKRow]
        let hetconv: [HetConvRow]
        let shift: [ShiftRow]
        let acnet: [ACNetRow]
        let ec2t: [EC2TRow]
    }

    /// The rows of a system, of which there are `count`.
    static func rows<Row>(_ system: KeyPath<File, [Row]>, _ count: Int) throws -> [Row] {
        let rows = try Fixtures.json("counting.json", as: File.self)[keyPath: system]
        try #require(rows.count == count)
        return rows
    }
}
