import Foundation
import TapestryFormats
import TapestryMethods

/// What a run that quantises layers came to: its layers epoch by epoch, and its best model.
struct QuantizedRun {
    struct Epoch {
        let epoch: Int
        let layers: [TernaryLayerFigures]

        /// Over all layers, in per cent.
        var sparsity: Double {
            100 * Double(layers.reduce(0) { $0 + $1.zero }) / Double(max(weights, 1))
        }

        /// Bits a weight: each layer's own entropy, weighted by its size.
        var entropy: Double {
            layers.reduce(0) { $0 + $1.entropy * Double($1.weightCount) } / Double(max(weights, 1))
        }

        private var weights: Int { layers.reduce(0) { $0 + $1.weightCount } }
    }

    let epochs: [Epoch]
    /// Of the best model; nil where there is none yet.
    let best: QuantizedFigures?
    /// After so many epochs the assignment stands still; nil where it always moves.
    let frozenAfter: Int?

    /// Nil for a run that quantises nothing, or of which no epoch has ended.
    ///
    /// Throws: `FormatError` where its best model is damaged, or its epochs are of different layers.
    init?(_ record: RunRecord) throws {
        epochs = record.epochs.compactMap { epoch in
            epoch.ternaryLayers.map { Epoch(epoch: epoch.epoch, layers: $0) }
        }
        guard let first = epochs.first, !first.layers.isEmpty else { return nil }
        let names = first.layers.map(\.name)
        if let other = epochs.first(where: { $0.layers.map(\.name) != names }) {
            throw FormatError(
                file: record.folder.metrics, reason: "epoch \(other.epoch) has other quantised layers than the first")
        }
        let path = record.folder.best
        best =
            FileManager.default.fileExists(atPath: path)
            ? try QuantizedFigures(ModelFile.read(path), path: path) : nil
        let assigning = record.configuration["ternarization"]?["assigning-epochs"]?.integer
        frozenAfter = assigning.flatMap { $0 > 0 && $0 < record.epochCount ? $0 : nil }
    }
}

extension TernaryLayerFigures {
    private var counts: TernaryCounts { TernaryCounts(negative: negative, zero: zero, positive: positive) }

    /// In bits a weight.
    var entropy: Double { counts.entropy }
    /// In per cent.
    var sparsity: Double { 100 * counts.sparsity }
}

extension [ReportedRun] {
    /// Whether no other of the quantised runs is better in everything: accuracy, sparsity, size and score.
    func isOnFront(_ run: ReportedRun) -> Bool {
        guard let figures = run.quantized?.best, let top1 = run.best?.top1 else { return false }
        return !contains { other in
            guard let otherFigures = other.quantized?.best, let otherTop1 = other.best?.top1 else { return false }
            return figures.isWorse(than: otherFigures, top1: top1, otherTop1: otherTop1)
        }
    }
}
