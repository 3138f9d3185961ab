import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods

/// Run folders made by hand.
enum RunFixtures {
    /// A run of `top1.count` finished epochs, of `asked`; those without a top-1 were not tested.
    static func write(
        _ folder: String, network: String = "ask/resnet8", method: String = "dense", top1: [Double?],
        asked: Int = 6, rate: Double = 0.1, model: Bool = true
    ) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let rules = method == "dense" ? "methods: []" : "methods:\n  - layers: \"*\"\n    method: \(method)"
        try """
        architecture: \(network)
        \(rules)
        classes: 10
        seed: "1"
        limit-train: null
        recipe:
          epochs: \(asked)
          learning-rate: \(rate)
          milestones: [0.5, 0.75]
          momentum: 0.9

        """.write(toFile: "\(folder)/config.yaml", atomically: true, encoding: .utf8)
        try RunFolder(path: folder).write(
            top1.enumerated().map { index, top1 in
                EpochMetrics(
                    epoch: index + 1,
                    training: EpochMetrics.Training(
                        learningRate: index < asked / 2 ? rate : rate / 100, loss: 2 / Double(index + 1),
                        top1: top1 ?? 50, imagesPerSecond: index == 0 ? 100 : 300, seconds: 10),
                    test: top1.map {
                        EpochMetrics.Test(loss: 3 / Double(index + 1), top1: $0, top5: 95, seconds: 1)
                    })
            })
        guard model, !top1.isEmpty else { return }
        let dense = try Zoo.architecture(named: network).graph()
        try ModelFixtures.write(
            try MethodAssignment(method: method).apply(to: dense), to: "\(folder)/last.safetensors")
    }

    /// Two runs that differ, of six and of two epochs.
    static func writePair(in folder: String) throws {
        try write("\(folder)/dense", top1: [40, 60, 80, 85, 90, 88])
        try write("\(folder)/shaped", method: "ask:ASK_5a", top1: [50, 55], rate: 0.05)
    }
}
