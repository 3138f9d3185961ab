import TapestryCore

/// The score of any network, as its graph and its weights say: every layer, at the sizes it really has.
public struct ExactScoring: Sendable {
    public let precision: ScoringPrecision

    public init(precision: ScoringPrecision = .half) { self.precision = precision }

    /// How it departs from the published convention, a line each.
    public static let departures = [
        "every layer counts, shortcut convolutions too; the published lists leave those out",
        "a layer is ternary if its weights are: at most one positive and one negative value beside zeros",
        "a layer is stored in its smallest format; indices have the bits they need, published always those of a weight",
        "no channel is taken away: one whose weights are all zero still passes a bias on",
        "every filter has the sum of its own weights; published, all of a layer have the layer's average",
        "a ternary filter multiplies once for each magnitude that it has; published twice",
        "the tree adder of a ternary filter starts with one operand for each weight; published with one fewer",
        "sizes are those of the graph; published ones are the program's own, and differ in places",
        "a batch norm stores 2 numbers a channel, and multiplies and adds once a value; published 1 bias, 1 addition",
        "all sums of shortcuts count; published those of the last block",
        "all pools count, a comparison as an addition; published EfficientNet's averages only",
        "a multiplication has as many bits as a weight; published always 16",
        "fractions of a parameter count; published they are cut off in every group",
    ]

    /// Throws `GraphError` where the graph's shapes do not fit.
    public func score(_ model: Model) throws(GraphError) -> Score {
        var groups: [(name: String, layers: [Score.Layer])] = []
        var shapes = [Graph.inputName: model.graph.inputShape]
        for (node, shape) in zip(model.graph.nodes, try model.graph.outputShapes()) {
            shapes[node.name] = shape
            let figures = model.weightFigures(of: node)
            guard let name = Self.group(of: node, figures) else { continue }
            let layer = layer(node, figures, input: shapes[node.inputs[0]] ?? shape, output: shape)
            if let index = groups.firstIndex(where: { $0.name == name }) {
                groups[index].layers.append(layer)
            } else {
                groups.append((name, [layer]))
            }
        }
        let (all, zeros) = model.zeroCount
        return Score(
            groups: groups.map(Self.group), allParameters: all, zeros: zeros, departures: Self.departures)
    }

    private static func group(_ name: String, _ layers: [Score.Layer]) -> Score.Group {
        let parameters = layers.reduce(0) { $0 + $1.scoringParameters }
        return Score.Group(
            name: name, layers: layers, parameters: layers.reduce(0) { $0 + $1.parameters },
            scoringParameters: parameters, bytes: 4 * parameters,
            multiplications: layers.reduce(0) { $0 + $1.multiplications },
            additions: layers.reduce(0) { $0 + $1.additions })
    }

    /// Nil for nodes that neither store nor compute.
    private static func group(of node: Node, _ figures: WeightFigures?) -> String? {
        let ternary = figures?.isTernary == true ? "ternary " : ""
        switch node.operation {
        case .convolution(let convolution):
            let isDepthwise = convolution.groups > 1 && convolution.groups == convolution.inputChannels
            return "\(ternary)\(isDepthwise ? "depthwise " : "")convolutions"
        case .linear: return "\(ternary)linear layers"
        case .batchNorm: return "batch norms"
        case .affine: return "scales and biases"
        case .relu, .sigmoid, .swish: return "activations"
        case .maxPool, .averagePool, .globalAveragePool: return "pools"
        case .add: return "sums"
        case .scaleChannels: return "channel scaling"
        case .shift, .padChannels, .stopGradient, .dropout, .dropBranch, .flatten: return nil
        }
    }
}

// MARK: - One node

extension ExactScoring {
    private func layer(_ node: Node, _ figures: WeightFigures?, input: Shape, output: Shape) -> Score.Layer {
        let (multiplications, additions) =
            figures.map { sums($0, hasBias: node.otherStoredCount > 0, output: output) }
            ?? Self.elementwise(node.operation, input: input, output: output)
        let stored = figures.map { StorageFormat.smallest($0, precision: precision) }
        let parameters = node.parameters.reduce(0) { $0 + ($1.role.isTrainable ? $1.shape.count : 0) }
        let bits = Double(precision.rawValue)
        return Score.Layer(
            name: node.name, parameters: parameters, nonzeros: figures?.nonzeros ?? parameters,
            isTernary: figures?.isTernary ?? false, deadOutputs: figures?.rows.count { $0.nonzeros == 0 } ?? 0,
            scoringParameters: ((stored?.bits ?? 0) + Double(node.otherStoredCount) * bits) / 32,
            format: stored?.format, multiplications: multiplications * bits / 32, additions: additions)
    }

    /// What the weighted sums of a convolution or a linear layer cost: multiplications, of whatever width, and additions of
    /// 32 bits. Every position does all of its taps, zero padding too, as everywhere in the field.
    private func sums(
        _ figures: WeightFigures, hasBias: Bool, output: Shape
    ) -> (multiplications: Double, additions: Double) {
        let positions = output.rank == 3 ? Double(output[1] * output[2]) : 1
        var (multiplications, additions) = (0.0, 0.0)
        for row in figures.rows where row.nonzeros > 0 {
            multiplications += Double(figures.isTernary ? factors(of: row, figures) : row.nonzeros)
            additions += figures.isTernary ? ternarySum(of: row, figures) : Double(row.nonzeros - 1)
            additions += hasBias ? 1 : 0
        }
        return (multiplications * positions, additions * positions)
    }

    /// How many magnitudes the weights of a ternary filter have.
    private func factors(of row: WeightFigures.Row, _ figures: WeightFigures) -> Int {
        row.positives > 0 && row.negatives > 0 ? figures.magnitudes : 1
    }

    /// A ternary filter adds up the values under its positive weights and those under its negative ones; both in one tree
    /// if one factor is for both, otherwise each in its own, and the two products at last.
    private func ternarySum(of row: WeightFigures.Row, _ figures: WeightFigures) -> Double {
        let bits = precision.rawValue
        guard factors(of: row, figures) == 2 else {
            return TreeAdder.cost(operands: Double(row.nonzeros), bits: bits)
        }
        return TreeAdder.cost(operands: Double(row.positives), bits: bits)
            + TreeAdder.cost(operands: Double(row.negatives), bits: bits) + 1
    }

    /// As the challenge and the published program have it, a ReLU is a multiplication, a sigmoid 2 and an addition, a swish
    /// 3 and an addition. A mean is as many additions as it takes and a multiplication.
    private static func elementwise(
        _ operation: Operation, input: Shape, output: Shape
    ) -> (multiplications: Double, additions: Double) {
        let values = Double(output.count)
        switch operation {
        case .batchNorm, .affine: return (values, values)
        case .relu: return (values, 0)
        case .sigmoid: return (2 * values, values)
        case .swish: return (3 * values, values)
        case .maxPool(let pooling): return (0, values * Double(pooling.kernel.area - 1))
        case .averagePool(let pooling): return (values, values * Double(pooling.kernel.area - 1))
        case .globalAveragePool: return (values, Double(input.count) - values)
        case .add: return (0, values)
        case .scaleChannels: return (values, 0)
        case .convolution, .linear, .shift, .padChannels, .stopGradient, .dropout, .dropBranch, .flatten:
            return (0, 0)
        }
    }
}
