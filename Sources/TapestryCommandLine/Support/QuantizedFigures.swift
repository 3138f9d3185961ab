import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

/// What the quantised layers of a model come to, and the model with them.
package struct QuantizedFigures: Encodable, Equatable {
    /// Weights of the quantised layers.
    package let weights: Int
    /// The share of zeros among them, in per cent.
    package let sparsity: Double
    /// Of the model, in bytes: each layer in the format that is the smallest for it, numbers of 16 bits.
    package let bytes: Double
    /// The MicroNet challenge's, counted exactly.
    package let score: Double

    /// Nil where no layer is quantised.
    package init?(_ model: Model, path: String) throws {
        let names = try Set(model.quantizedLayers(path: path))
        let figures = model.graph.nodes.filter { names.contains($0.name) }.compactMap(model.weightFigures)
        weights = figures.reduce(0) { $0 + $1.count }
        guard weights > 0 else { return nil }
        sparsity = 100 * Double(weights - figures.reduce(0) { $0 + $1.nonzeros }) / Double(weights)
        bytes = StorageComparison(model, precision: .half).smallest
        score = try ExactScoring(precision: .half).score(model).value(for: ScoringTask(usualFor: model.graph))
    }

    /// Whether the other is at least as good in everything, the accuracies included, and better in something.
    package func isWorse(than other: QuantizedFigures, top1: Double, otherTop1: Double) -> Bool {
        let pairs = [(other.sparsity, sparsity), (-other.bytes, -bytes), (-other.score, -score), (otherTop1, top1)]
        return pairs.allSatisfy { $0 >= $1 } && pairs.contains { $0 > $1 }
    }
}

extension Model {
    /// The layers whose weights have been quantised: those that the file at `path` names, and those that are ternary.
    ///
    /// Throws: `FormatError` where the file says what cannot be.
    package func quantizedLayers(path: String) throws -> [String] {
        let named = try Set(NameList.quantizedLayers.read(facts, path: path) ?? [])
        return graph.nodes.filter { named.contains($0.name) || isTernary($0) }.map(\.name)
    }

    /// Whether a layer has weights of no more than three values, one of them zero. Two weights say nothing.
    package func isTernary(_ node: Node) -> Bool {
        guard let figures = weightFigures(of: node) else { return false }
        return figures.isTernary && figures.count > 2
    }
}
