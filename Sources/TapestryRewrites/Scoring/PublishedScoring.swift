import TapestryCore

/// The counts of the published program of "EC2T: entropy-constrained trained ternarization" (Marban et al., CVPR workshops
/// 2020), to the digit, with everything in it that is odd. Each oddity has a comment where it is reproduced; the recorded
/// results of that program are their source, as for `PublishedNetwork`.
public struct PublishedScoring: Sendable {
    public let precision: ScoringPrecision
    public let switches: ScoringSwitches
    /// Every multiplication is one of so many bits, whatever the weights have, and so is every addition.
    public let multiplicationBits: Int
    public let additionBits: Int

    /// Which switches published figures were made with: all for MicroNet and ResNet-18, `ternary` for EfficientNets, none
    /// for ResNet-20.
    public init(
        precision: ScoringPrecision = .half, switches: ScoringSwitches = [], multiplicationBits: Int = 16,
        additionBits: Int = 32
    ) {
        self.precision = precision
        self.switches = switches
        self.multiplicationBits = multiplicationBits
        self.additionBits = additionBits
    }

    private var multiplicationShare: Double { Double(multiplicationBits) / 32 }
    private var additionShare: Double { Double(additionBits) / 32 }

    /// How it departs from the exact convention, a line each.
    public static let departures = [
        "the convolutions of the program's lists count: no shortcut convolutions, no pools but EfficientNet's averages",
        "the layers in blocks (EfficientNet: expand, project, head) are ternary if a switch says so, whatever they hold",
        "channels whose filter sums to zero, and what reads them, are taken away, though a bias may pass through them",
        "a filter has its layer's average of non-zero weights, and the tree adder starts with one operand fewer",
        "a batch norm is one bias; sizes are the program's; of the sums of shortcuts only the last block's count",
        "multiplications have 16 bits and indices those of a weight; fractions of a parameter are cut off in every group",
    ]

    /// The score of a network that the program knows by this name, such as "ec2t/resnet20".
    ///
    /// Throws: `ScoringError` where the program does not know the network.
    public func score(_ model: Model, architecture: String) throws(ScoringError) -> Score {
        let network = try PublishedNetwork(model.graph, architecture: architecture)
        var groups = network.groups.map { group($0, model) }
        if network.shortcutAdditions > 0 {
            groups.append(
                Score.Group(
                    name: "shortcuts", layers: [], parameters: 0, scoringParameters: 0, bytes: 0, multiplications: 0,
                    additions: network.shortcutAdditions * additionShare))
        }
        groups.append(linear(network.linear, model))
        let (all, zeros) = model.zeroCount
        return Score(groups: groups, allParameters: all, zeros: zeros, departures: Self.departures)
    }

    /// A group of layers and biases.
    private func group(_ name: String, _ layers: [Score.Layer], biases: Int, other: PublishedOperations) -> Score.Group
    {
        let parameters = layers.reduce(0) { $0 + $1.scoringParameters } + Double(biases * precision.rawValue) / 32
        return Score.Group(
            name: name, layers: layers, parameters: layers.reduce(0) { $0 + $1.parameters } + biases,
            // The bytes are those of all of it.
            scoringParameters: parameters.rounded(.down), bytes: 4 * parameters,
            multiplications: layers.reduce(0) { $0 + $1.multiplications }
                + other.multiplications * multiplicationShare,
            additions: layers.reduce(0) { $0 + $1.additions } + other.additions * additionShare)
    }

    /// The last layer: no channel is taken away, and no switch is for it.
    private func linear(_ node: Node, _ model: Model) -> Score.Group {
        let figures = model.weightFigures(of: node) ?? WeightFigures(Tensor(shape: [0, 0], elements: []))
        let outputs = figures.rows.count
        let stored = PublishedStorage(
            count: figures.count, nonzeros: figures.nonzeros, rows: outputs, precision: precision)
        let layer = Score.Layer(
            name: node.name, parameters: figures.count, nonzeros: figures.nonzeros, isTernary: false, deadOutputs: 0,
            scoringParameters: stored.plain, format: stored.plainFormat,
            multiplications: Double(figures.nonzeros) * multiplicationShare,
            additions: Double(figures.nonzeros - outputs) * additionShare)
        return group(
            "linear", [layer], biases: outputs,
            other: PublishedOperations(multiplications: 0, additions: Double(outputs)))
    }
}

// MARK: - A list of convolutions

extension PublishedScoring {
    private func group(_ list: PublishedGroup, _ model: Model) -> Score.Group {
        var layers: [Score.Layer] = []
        var other = PublishedOperations()
        var (biases, deadBefore, shortcuts) = (0, [Bool](), 0.0)
        for (index, member) in list.members.enumerated() {
            let kernels = PublishedKernels(
                member, model,
                deadInputs: list.takesDeadInputsFromBefore ? .before(deadBefore) : .own, peculiarity: list.peculiarity)
            deadBefore = kernels.deadOutputs
            // Squeeze and excitation work on vectors.
            let isVector = list.peculiarity == .squeeze || list.peculiarity == .excite
            let values = Double(kernels.outputs) * (isVector ? 1 : Double(member.side * member.side))
            layers.append(
                layer(
                    kernels, member, isTernary: list.isQuantized && switches.contains(.ternary), values,
                    hasTree: list.isQuantized && switches.contains(.tree)))
            let isSecond = index % 2 == 1
            // The second convolution of a MicroNet block has a batch norm on either side: biases for what it takes too,
            // and two additions a value. What follows the second is no ReLU.
            let hasTwoNorms = list.peculiarity == .microBlocks && isSecond
            biases += kernels.outputs + (hasTwoNorms ? kernels.inputs : 0)
            other.additions += (hasTwoNorms ? 2 : 1) * values
            if !hasTwoNorms { other.add(list.activation, values: values) }
            other.add(list.peculiarity, kernels, side: member.side)
            // Assigned, not added up: the last block's is what remains.
            if isSecond, list.peculiarity == .microBlocks || list.peculiarity == .residualBlocks { shortcuts = values }
        }
        other.additions += shortcuts
        return group(list.name, layers, biases: biases, other: other)
    }

    private func layer(
        _ kernels: PublishedKernels, _ member: PublishedGroup.Member, isTernary: Bool, _ values: Double, hasTree: Bool
    ) -> Score.Layer {
        let stored = PublishedStorage(
            count: kernels.count, nonzeros: kernels.nonzeros, rows: kernels.outputs, precision: precision)
        let smallest =
            isTernary ? stored.smallest(withCER: switches.contains(.cer)) : (stored.plainFormat, stored.plain)
        let operands = kernels.averageOperands
        let additions =
            hasTree
            ? TreeAdder.cost(operands: operands - 1, bits: precision.rawValue) : operands - 1
        return Score.Layer(
            name: member.node.name, parameters: kernels.count, nonzeros: kernels.nonzeros, isTernary: isTernary,
            deadOutputs: kernels.deadOutputs.count { $0 }, scoringParameters: smallest.1, format: smallest.0,
            multiplications: (isTernary ? 2 : operands) * values * multiplicationShare,
            additions: additions * values * additionShare)
    }
}

/// Operations, of whatever width, beside those of kernels.
struct PublishedOperations {
    var multiplications = 0.0
    var additions = 0.0

    mutating func add(_ activation: PublishedGroup.Activation?, values: Double) {
        switch activation {
        case .relu: multiplications += values
        case .swish:
            multiplications += 3 * values
            additions += values
        case .sigmoid:
            multiplications += 2 * values
            additions += values
        case nil: break
        }
    }

    /// The averages before a squeeze and after the head, and the scaling of channels after an excitation.
    mutating func add(_ peculiarity: PublishedGroup.Peculiarity?, _ kernels: PublishedKernels, side: Int) {
        let positions = Double(side * side)
        switch peculiarity {
        case .squeeze: addAverage(channels: kernels.inputs, positions)
        case .head: addAverage(channels: kernels.outputs, positions)
        case .excite: multiplications += positions * Double(kernels.outputs)
        case .residualBlocks, .microBlocks, .depthwise, nil: break
        }
    }

    private mutating func addAverage(channels: Int, _ positions: Double) {
        multiplications += Double(channels)
        additions += (positions - 1) * Double(channels)
    }
}
