import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTorch

extension Trainer {
    /// What is damaged in the folder of the run that is resumed, and what becomes of it, a line each. The model of the last
    /// epoch is written again, as the state has all that it was made of.
    func recover() throws -> [String] {
        guard sampler.rank == 0, let last = metrics.last else { return damage.map { [fallback($0)] } ?? [] }
        var warnings = damage.map { [fallback($0)] } ?? []
        let files = [(folder.last, last.epoch), (folder.best, metrics.best?.epoch)]
        for case (let path, let epoch?) in files {
            guard let damage = Self.damage(ofModelAt: path) else { continue }
            if epoch == position.epoch, position.step == 0 {
                let weights = try step.withAverages { try step.network.weights() }
                try ModelFile.write(
                    try Model(graph: step.network.graph, weights: weights, facts: facts(last)), to: path)
                warnings.append("\(damage); it is written again from the state")
            } else {
                let next = path == folder.last ? "the next epoch" : "the next epoch that is better"
                warnings.append("\(damage); \(next) replaces it")
            }
        }
        return warnings
    }

    private func fallback(_ damage: String) -> String {
        "\(damage); going on from the state before, \(folder.olderState)"
    }

    /// Why the model file cannot be read; nil if it can.
    private static func damage(ofModelAt path: String) -> String? {
        do { _ = try ModelFile.read(path) } catch { return "\(error)" }
        return nil
    }
}
