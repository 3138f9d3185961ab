import Foundation
import TapestryCore
import TapestryFormats
import TapestryRewrites

/// What `tapestry convert` says of a conversion.
struct ConversionReport: Encodable {
    struct Side: Encodable {
        let nodes: Int
        let parameters: Int
        let macs: Int

        init(_ model: Model) throws {
            let count = try Count(model.graph)
            (nodes, parameters, macs) = (model.graph.nodes.count, count.parameters, count.macs)
        }
    }

    let model: String
    let output: String
    /// Nil where the network is not known.
    let source: Side?
    let result: Side?
    /// Of an unknown network: how many of its blocks were fused.
    var blocks: Int?
    let certificate: Certificate
    /// Nil where weights are not packed.
    var packing: PackingReport?

    var text: String {
        var text = ""
        if let source, let result {
            var table = Table(("", .left), ("operations", .right), ("parameters", .right), ("multiply-adds", .right))
            for (title, side) in [(model, source), (output, result)] {
                table.append(title, side.nodes.grouped, side.parameters.grouped, side.macs.grouped)
            }
            text = table.text + "\n"
        }
        if let blocks { text = "\(output): \(blocks) blocks fused by the names of their tensors\n" }
        text += certificate.text
        if let packing { text += "\n" + packing.text(of: output) }
        return text
    }
}

extension Certificate {
    /// Under which name a converted file keeps it.
    static let fact = "certificate"

    /// As files keep it.
    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    /// What it says to a reader.
    var text: String {
        let inputs = [(randomInputs, "random inputs"), (images, "images")].filter { $0.0 > 0 }
            .map { $0.0 == 1 ? "1 \($0.1.dropLast())" : "\($0.0) \($0.1)" }.joined(separator: " and ")
        return "Equivalent on \(inputs), computed in double precision: outputs differ by at most\n"
            + "\(largestAbsoluteDifference.significant(3)), \(largestRelativeDifference.significant(3)) of the largest one; "
            + "\(top1Agreement.percent) of the inputs keep their class\n"
    }
}
