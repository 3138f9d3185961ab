import ArgumentParser
import TapestryCore
import TapestryFormats
import TapestryRewrites

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a safetensors file holds: each tensor's shape, type and values in figures.",
        discussion: """
            Works for any safetensors file; of a Tapestry model it shows the network and its facts too. Deviations are \
            those of the population; "near zero" counts |x| <= 1e-5, zeros included.

            Examples:
              tapestry show runs/a/best.safetensors
              tapestry show weights.safetensors --json | jq '.tensors[].name'
            """)

    @Argument(help: "A safetensors file.", completion: .file(extensions: ["safetensors"]))
    var model: String

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() async throws {
        let report = try ShowReport(path: model)
        try json ? Console.printJSON(report) : Console.print(report.text)
    }
}

/// What `tapestry show` says of a file.
private struct ShowReport: Encodable {
    struct Row: Encodable {
        let name: String
        let shape: [Int]
        let dtype: String
        let count: Int
        let mean: Double?
        let std: Double?
        let positive: Int
        let negative: Int
        let zero: Int
        let nearZero: Int

        enum CodingKeys: String, CodingKey {
            case name, shape, dtype, count, mean, std, positive, negative, zero
            case nearZero = "near_zero"
        }
    }

    struct Totals: Encodable {
        let tensors: Int
        let values: Int
        let zero: Int
        let nearZero: Int

        enum CodingKeys: String, CodingKey {
            case tensors, values, zero
            case nearZero = "near_zero"
        }
    }

    struct NetworkSummary: Encodable {
        let layers: Int
        let input: [Int]
        let parameters: Int
        let macs: Int
    }

    let tensors: [Row]
    let totals: Totals
    let metadata: [String: String]
    let network: NetworkSummary?

    init(path: String) throws {
        let types = try SafetensorsFile.typeNames(in: path)
        let file = try SafetensorsFile.read(path)
        tensors = file.tensors.map { entry in
            let figures = TensorFigures(entry.tensor)
            return Row(
                name: entry.name, shape: entry.tensor.shape.dimensions, dtype: types[entry.name] ?? "",
                count: figures.count, mean: figures.mean, std: figures.standardDeviation, positive: figures.positive,
                negative: figures.negative, zero: figures.zero, nearZero: figures.nearZero)
        }
        totals = Totals(
            tensors: tensors.count, values: tensors.reduce(0) { $0 + $1.count },
            zero: tensors.reduce(0) { $0 + $1.zero },
            nearZero: tensors.reduce(0) { $0 + $1.nearZero })
        metadata = file.metadata.filter { !$0.key.hasPrefix("tapestry.") }
        // A file that says it is a model must be one; any other safetensors file, such as a run's state, has tensors only.
        let isModel = file.metadata["tapestry.version"] != nil
        network = isModel ? try Self.summary(path) : nil
    }

    private static func summary(_ path: String) throws -> NetworkSummary {
        let graph = try Network(modelFile: path).graph
        let count = try Count(graph)
        return NetworkSummary(
            layers: graph.nodes.count, input: graph.inputShape.dimensions, parameters: count.parameters,
            macs: count.macs)
    }

    var text: String {
        var table = Table(
            ("tensor", .left), ("shape", .right), ("dtype", .left), ("mean", .right), ("std", .right),
            ("positive", .right), ("negative", .right), ("zero", .right), ("near zero", .right))
        for row in tensors {
            let shape = row.shape.isEmpty ? "scalar" : row.shape.map(String.init).joined(separator: "x")
            table.append(
                row.name, shape, row.dtype, row.mean?.significant(4) ?? "–", row.std?.significant(4) ?? "–",
                row.positive.grouped, row.negative.grouped, row.zero.grouped, row.nearZero.grouped)
        }
        table.rule()
        table.append(
            "\(totals.tensors) tensors", totals.values.grouped, "", "", "", "", "", totals.zero.grouped,
            totals.nearZero.grouped)
        var lines = table.text
        if let network {
            let input = network.input.map(String.init).joined(separator: "x")
            lines += "\nA Tapestry model of \(network.layers) nodes for \(input) images: "
            lines += "\(network.parameters.grouped) parameters, \(network.macs.grouped) multiply-adds\n"
        }
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) { lines += "\(key): \(value)\n" }
        return lines
    }
}
