import TapestryCore
import TapestryRewrites

/// A network's count, exactly and as its paper counts.
struct CountSummary {
    let title: String
    let count: Count
    let conventions: [(convention: CountingConvention, total: CountingConvention.Total)]

    init(_ network: Network) throws(GraphError) {
        title = network.title
        count = try Count(network.graph)
        conventions = try network.conventions.map { convention throws(GraphError) in
            (convention, try convention.count(network.graph))
        }
    }
}

/// What `tapestry count` says of a network, and of another that it is compared with.
struct CountReport: Encodable {
    private let summary: CountSummary
    private let other: CountSummary?

    init(of summary: CountSummary, against other: CountSummary?) {
        self.summary = summary
        self.other = other
    }
}

// MARK: - As JSON, by the contract

extension CountReport {
    private struct Layer: Encodable {
        let name: String
        let kind: String
        let parameters: Int
        let macs: Int
        let output: [Int]
    }

    private struct Total: Encodable {
        let parameters: Int
        let macs: Double
    }

    private struct Other: Encodable {
        let name: String
        let parameters: Int
        let macs: Int
        let conventions: [String: Total]
    }

    private struct Ratio: Encodable {
        let parameters: Double
        let macs: Double
    }

    private enum CodingKeys: String, CodingKey { case parameters, macs, layers, conventions, against, ratio }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(summary.count.parameters, forKey: .parameters)
        try container.encode(summary.count.macs, forKey: .macs)
        let layers = summary.count.layers.map {
            Layer(name: $0.name, kind: $0.kind, parameters: $0.parameters, macs: $0.macs, output: $0.output.dimensions)
        }
        try container.encode(layers, forKey: .layers)
        try container.encode(conventions(of: summary), forKey: .conventions)
        guard let other else { return }
        try container.encode(
            Other(
                name: other.title, parameters: other.count.parameters, macs: other.count.macs,
                conventions: conventions(of: other)),
            forKey: .against)
        try container.encode(
            Ratio(parameters: ratio(\.parameters, other), macs: ratio(\.macs, other)), forKey: .ratio)
    }

    private func conventions(of summary: CountSummary) -> [String: Total] {
        Dictionary(
            uniqueKeysWithValues: summary.conventions.map {
                ($0.convention.name, Total(parameters: $0.total.parameters, macs: $0.total.macs))
            })
    }

    /// How many times fewer the network has than the other; a network without any has infinitely fewer, shown as 0.
    private func ratio(_ quantity: KeyPath<Count, Int>, _ other: CountSummary) -> Double {
        let own = summary.count[keyPath: quantity]
        return own == 0 ? 0 : Double(other.count[keyPath: quantity]) / Double(own)
    }
}

// MARK: - As a table

extension CountReport {
    /// A table of the layers that store or compute something, and the totals.
    var text: String {
        var table = Table(
            ("layer", .left), ("kind", .left), ("output", .right), ("parameters", .right), ("multiply-adds", .right))
        for layer in summary.count.layers where layer.parameters > 0 || layer.macs > 0 {
            table.append(
                layer.name, layer.kind, layer.output.description, layer.parameters.grouped, layer.macs.grouped)
        }
        table.rule()
        table.append(summary.title, "", "", summary.count.parameters.grouped, summary.count.macs.grouped)
        if let other {
            table.append(other.title, "", "", other.count.parameters.grouped, other.count.macs.grouped)
            table.append("times fewer", "", "", times(ratio(\.parameters, other)), times(ratio(\.macs, other)))
        }
        return table.text + publishedLines
    }

    private func times(_ ratio: Double) -> String {
        let hundredths = Int((ratio * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)x"
    }

    /// The published counts, where they differ from the exact ones.
    private var publishedLines: String {
        var lines = ""
        for summary in [summary] + (other.map { [$0] } ?? []) {
            for (convention, total) in summary.conventions
            where total.macs != Double(summary.count.macs) || total.parameters != summary.count.parameters {
                lines += "\nAs \(convention.name), \(summary.title): \(total.parameters.grouped) parameters, "
                lines += "\(total.macs.groupedWhole) \(convention.unit) (\(convention.explanation))"
            }
        }
        return lines.isEmpty ? "" : "\(lines)\n"
    }
}
