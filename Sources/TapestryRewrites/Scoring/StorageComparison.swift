import TapestryCore

/// What a whole network needs in each format: a layer for which the format is not takes the smaller of dense and mask, and
/// what is no weight, biases and batch norms, is stored as it is, two numbers a channel for a batch norm.
public struct StorageComparison: Hashable, Sendable {
    public struct Layer: Hashable, Sendable {
        public let name: String
        public let count: Int
        public let nonzeros: Int
        public let isTernary: Bool
        /// Without the ones that are not for the layer.
        public let bytes: [StorageFormat: Double]
    }

    public let layers: [Layer]
    public let bytes: [StorageFormat: Double]
    /// Each layer in the format that is the smallest for it.
    public let smallest: Double

    /// Of every weight of the model, whatever a convention leaves out.
    public init(_ model: Model, precision: ScoringPrecision) {
        var layers: [Layer] = []
        var totals: [StorageFormat: Double] = [:]
        var smallest = 0.0
        var others = 0
        for node in model.graph.nodes {
            others += node.otherStoredCount
            guard let figures = model.weightFigures(of: node) else { continue }
            var bytes: [StorageFormat: Double] = [:]
            let plain = min(
                Double(figures.count * precision.rawValue), StorageFormat.mask.bits(figures, precision: precision) ?? 0)
            for format in StorageFormat.allCases {
                let bits = format.bits(figures, precision: precision)
                bytes[format] = bits.map { $0 / 8 }
                totals[format, default: 0] += (bits ?? plain) / 8
            }
            smallest += StorageFormat.smallest(figures, precision: precision).bits / 8
            layers.append(
                Layer(
                    name: node.name, count: figures.count, nonzeros: figures.nonzeros, isTernary: figures.isTernary,
                    bytes: bytes))
        }
        let otherBytes = Double(others * precision.rawValue) / 8
        self.layers = layers
        bytes = totals.mapValues { $0 + otherBytes }
        self.smallest = smallest + otherBytes
    }
}

extension Node {
    /// The numbers that a deployed network stores for the node beside weights: biases, and for a batch norm a factor and a
    /// summand a channel, which its four numbers come to.
    var otherStoredCount: Int {
        switch operation {
        case .convolution(let convolution): convolution.hasBias ? convolution.outputChannels : 0
        case .linear(let linear): linear.hasBias ? linear.outputs : 0
        case .batchNorm(let norm): 2 * norm.channels
        case .affine(let channels): 2 * channels
        case .relu, .sigmoid, .swish, .maxPool, .averagePool, .globalAveragePool, .add, .scaleChannels, .shift,
            .padChannels, .stopGradient, .dropout, .dropBranch, .flatten:
            0
        }
    }
}
