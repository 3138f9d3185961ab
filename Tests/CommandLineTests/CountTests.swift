import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import Testing

/// A published row of ASKs' tables, with the exact counts.
private struct PublishedRow: Decodable, CustomTestStringConvertible {
    let network: String
    let kernel: String
    let params: Int
    let macs: Int
    let publishedFlops: Int

    enum CodingKeys: String, CodingKey {
        case network, kernel, params, macs
        case publishedFlops = "published_convention_flops"
    }

    var testDescription: String { "\(network) \(kernel)" }

    var architecture: String { "ask/\(network.lowercased().replacing("-", with: ""))" }
    var method: String { kernel == "3x3" ? "dense" : "ask:\(kernel)" }

    static func all() throws -> [PublishedRow] {
        struct File: Decodable { let ask: [PublishedRow] }
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(components: "Fixtures", "counting.json")
        return try JSONDecoder().decode(File.self, from: Data(contentsOf: file)).ask
    }
}

private struct CountDocument: Decodable {
    struct Total: Decodable, Equatable {
        let parameters: Int
        let macs: Int
    }

    struct Layer: Decodable {
        let name: String
        let kind: String
        let parameters: Int
        let macs: Int
        let output: [Int]
    }

    struct Ratio: Decodable {
        let parameters: Double
        let macs: Double
    }

    let parameters: Int
    let macs: Int
    let layers: [Layer]
    let conventions: [String: Total]
    let ratio: Ratio?
}

@Suite("tapestry count")
struct CountTests {
    @Test("equals the published tables to the digit", arguments: try PublishedRow.all())
    fileprivate func publishedRow(_ row: PublishedRow) throws {
        let outcome = try Program.run("count", "--arch", row.architecture, "--method", row.method, "--json")
        #expect(outcome.status == 0)
        #expect(outcome.errors.isEmpty)
        let document = try outcome.json(as: CountDocument.self)
        #expect(document.parameters == row.params)
        #expect(document.macs == row.macs)
        #expect(document.conventions == ["published": .init(parameters: row.params, macs: row.publishedFlops)])
        #expect(document.layers.reduce(0) { $0 + $1.parameters } == row.params)
        #expect(document.layers.reduce(0) { $0 + $1.macs } == row.macs)
        #expect(document.ratio == nil)
    }

    @Test func everyNodeIsInTheDocumentWithItsOutput() throws {
        let outcome = try Program.run("count", "--arch", "ask/resnet20", "--json")
        let layers = try outcome.json(as: CountDocument.self).layers
        #expect(layers.first?.name == "conv1")
        #expect(layers.first?.kind == "convolution")
        #expect(layers.first?.output == [16, 32, 32])
        #expect(layers.contains { $0.kind == "relu" && $0.parameters == 0 && $0.macs == 0 })
        #expect(layers.last?.output == [10])
    }

    @Test func optionsChangeTheNetwork() throws {
        let outcome = try Program.run(
            "count", "--arch", "ask/resnet20", "--classes", "100", "--image-size", "28", "--channels", "1", "--json")
        let document = try outcome.json(as: CountDocument.self)
        // Two channels fewer for 16 kernels of nine taps, 90 classes more for 64 features and a bias.
        #expect(document.parameters == 269_722 - 2 * 9 * 16 + 90 * 65)
        #expect(document.layers.first?.output == [16, 28, 28])
    }

    @Test func againstSaysHowManyTimesFewer() throws {
        let outcome = try Program.run(
            "count", "--arch", "ask/resnet20", "--method", "ask:ASK_5a", "--against", "ask/resnet20", "--json")
        let document = try outcome.json(as: CountDocument.self)
        #expect(document.ratio?.parameters == 269_722.0 / 150_746)
        #expect(document.ratio?.macs == 40_551_040.0 / 22_528_640)
    }

    @Test func tableListsLayersThatStoreOrCompute() throws {
        let outcome = try Program.run(
            "count", "--arch", "ask/vgg11", "--method", "ask:ASK_5a", "--against", "ask/vgg11")
        #expect(outcome.status == 0)
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.contains { $0.hasPrefix("ask/vgg11 ask:ASK_5a") && $0.hasSuffix("5,395,274     85,136,384") })
        #expect(lines.contains { $0.hasPrefix("feature.0 ") })
        #expect(!lines.contains { $0.contains("maxPool") })
        #expect(lines.contains { $0.hasPrefix("times fewer") })
    }

    @Test func eachConventionIsExplainedInALine() throws {
        let output = try Program.run("count", "--arch", "shift/resnet20", "--method", "shift:3").output
        let lines = output.split(separator: "\n")
        let published = "As published, shift/resnet20 shift:3: 95,642 parameters, 16,581,248 \"FLOPs\" (multiply-adds, "
        #expect(lines.contains { $0.hasPrefix(published) && $0.contains("one input channel") })
        #expect(lines.contains { $0.hasPrefix("As published-current, ") && $0.contains(" 17,760,896 ") })
        let deployed = try Program.run("count", "--arch", "acnet/cifar-quick").output
        #expect(deployed.contains("As deployed, acnet/cifar-quick: 116,906 parameters, 10,763,904 multiply-adds ("))
    }

    @Test func aConventionCanHaveFractions() throws {
        struct Document: Decodable {
            struct Total: Decodable { let macs: Double }
            let conventions: [String: Total]
        }
        let outcome = try Program.run("count", "--arch", "hetconv/vgg16", "--method", "hetconv:4", "--json")
        let conventions = try outcome.json(as: Document.self).conventions
        #expect(abs((conventions["published"]?.macs ?? 0) - 105_981_610.666_666_66) < 1e-6)
        #expect(conventions["published-stored"]?.macs == 114_496_512)
    }

    @Test func variantsAreCounted() throws {
        let outcome = try Program.run(
            "count", "--arch", "shift/resnet20", "--reduction", "2.8", "--reduction-mode", "block", "--against",
            "shift/resnet20", "--json")
        let document = try outcome.json(as: CountDocument.self)
        #expect(document.parameters == 96_206)
        #expect(document.ratio?.parameters == 272_474.0 / 96_206)
    }

    @Test func methodsPerLayerComeFromYAML() throws {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/shapes.yaml"
            try """
            - layers: "layer1.*"
              ask: [[2, 4, 5, 6, 8], [1, 3, 5, 7, 9]]
            - layers: "layer*"
              method: ask:ASK_2
            """.write(toFile: path, atomically: true, encoding: .utf8)
            let document = try Program.run("count", "--arch", "ask/resnet20", "--method-config", path, "--json")
                .json(as: CountDocument.self)
            func parameters(_ name: String) -> Int? { document.layers.first { $0.name == name }?.parameters }
            #expect(parameters("conv1") == 3 * 16 * 9)
            #expect(parameters("layer1.0.conv1") == 16 * 16 * 5)
            #expect(parameters("layer2.1.conv1") == 32 * 32 * 2)
        }
    }

    @Test func modelFileIsAnArgumentAndAnArch() throws {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/model.safetensors"
            let graph = try Zoo.architecture(named: "ask/resnet20").graph()
            let model = try Model(
                graph: graph, weights: .initial(for: graph, seed: 1), facts: ["architecture": "ask/resnet20"])
            try ModelFile.write(model, to: path)
            let expected = try Program.run("count", "--arch", "ask/resnet20", "--json").output
            #expect(try Program.run("count", path, "--json").output == expected)
            #expect(try Program.run("count", "--arch", path, "--json").output == expected)
            let shaped = try Program.run("count", path, "--method", "ask:ASK_2", "--json")
            #expect(try shaped.json(as: CountDocument.self).parameters < 269_722 / 3)
            #expect(try Program.run("count", path, "--classes", "5").status == 64)
        }
    }
}
