import TapestryCore

/// What counts about the weights of one convolution or linear layer.
public struct WeightFigures: Hashable, Sendable {
    /// One output channel's weights.
    public struct Row: Hashable, Sendable {
        public internal(set) var count = 0
        public internal(set) var positives = 0
        public internal(set) var negatives = 0

        /// Not-a-number included.
        public internal(set) var nonzeros = 0
    }

    /// By output channel.
    public let rows: [Row]
    public let count: Int
    public let nonzeros: Int
    public let positives: Int
    public let negatives: Int
    /// The one positive and the one negative value of a ternary layer; nil where there is none or are several.
    public let positiveLevel: Float?
    public let negativeLevel: Float?
    /// Whether there is no more than one positive value and no more than one negative value beside zeros.
    public let isTernary: Bool

    /// How many positions the longest row has.
    public var columns: Int { rows.lazy.map(\.count).max() ?? 0 }

    /// How many magnitudes the values of a ternary layer have: one number each has to be stored.
    public var magnitudes: Int {
        let levels = [positiveLevel, negativeLevel.map { -$0 }].compactMap { $0 }
        return levels.count == 2 && levels[0] == levels[1] ? 1 : levels.count
    }

    /// Of `rowOfElement.count` elements, each in the row of that number.
    init(rowCount: Int, _ visit: ((_ row: Int, _ value: Float) -> Void) -> Void) {
        var rows = Array(repeating: Row(), count: rowCount)
        var (positive, negative): (Float?, Float?)
        var isTernary = true
        visit { row, value in
            rows[row].count += 1
            if value == 0 { return }
            rows[row].nonzeros += 1
            if value > 0 {
                rows[row].positives += 1
                isTernary = isTernary && (positive ?? value) == value
                positive = value
            } else {
                rows[row].negatives += value < 0 ? 1 : 0
                // Not-a-number equals nothing, itself included.
                isTernary = isTernary && (negative ?? value) == value
                negative = value
            }
        }
        self.rows = rows
        self.isTernary = isTernary
        (positiveLevel, negativeLevel) = isTernary ? (positive, negative) : (nil, nil)
        count = rows.reduce(0) { $0 + $1.count }
        nonzeros = rows.reduce(0) { $0 + $1.nonzeros }
        positives = rows.reduce(0) { $0 + $1.positives }
        negatives = rows.reduce(0) { $0 + $1.negatives }
    }

    /// Of the rows of a matrix, or of any tensor whose first axis is that of the outputs.
    public init(_ tensor: Tensor<Float>) {
        let rowCount = tensor.shape.rank == 0 ? 1 : tensor.shape[0]
        let length = rowCount == 0 ? 1 : max(1, tensor.shape.count / rowCount)
        self.init(rowCount: rowCount) { body in
            for (index, value) in tensor.elements.enumerated() { body(index / length, value) }
        }
    }

    /// Of a convolution's stored weights: positions off the support are not there, and cost nothing.
    ///
    /// Precondition: `stored` has the shapes of `convolution.storedWeights`.
    public init(_ convolution: Convolution, _ stored: [Tensor<Float>]) {
        let length = convolution.channelsPerGroup * convolution.kernel.area
        self.init(rowCount: convolution.outputChannels) { body in
            convolution.forEachWeight { body($2 / length, stored[$0].elements[$1]) }
        }
    }
}

extension Model {
    /// The figures of a node's weights; nil where it is neither a convolution nor a linear layer.
    public func weightFigures(of node: Node) -> WeightFigures? {
        switch node.operation {
        case .convolution(let convolution):
            let stored = convolution.storedWeights.compactMap { weights.tensors["\(node.name).\($0.suffix)"] }
            return WeightFigures(convolution, stored)
        case .linear: return weights.tensors["\(node.name).weight"].map { WeightFigures($0) }
        case .batchNorm, .affine, .relu, .sigmoid, .swish, .maxPool, .averagePool, .globalAveragePool, .add,
            .scaleChannels, .shift, .padChannels, .stopGradient, .dropout, .dropBranch, .flatten:
            return nil
        }
    }
}
