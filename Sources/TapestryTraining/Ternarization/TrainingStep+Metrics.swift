import TapestryFormats
import TapestryMethods

extension TrainingStep {
    /// What an epoch's record says of the quantised layers; nil where none are. Waits for the device.
    package var ternaryLayers: [TernaryLayerFigures]? {
        get throws {
            try ternarizer?.layers.map { layer in
                let (counts, levels, lambda) = try layer.figures
                return TernaryLayerFigures(
                    name: layer.name, negative: counts.negative, zero: counts.zero, positive: counts.positive,
                    negativeLevel: Double(levels.negative), positiveLevel: Double(levels.positive), lambda: lambda)
            }
        }
    }
}
