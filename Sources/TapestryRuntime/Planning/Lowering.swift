import TapestryCore

/// The extents of a value for one image; a vector is an image of one pixel.
struct Extents: Hashable {
    var channels: Int
    var height: Int
    var width: Int

    init(channels: Int, height: Int, width: Int) {
        (self.channels, self.height, self.width) = (channels, height, width)
    }

    init(_ shape: Shape) {
        self.init(
            channels: shape[0], height: shape.rank == 3 ? shape[1] : 1, width: shape.rank == 3 ? shape[2] : 1)
    }

    var isVector: Bool { height == 1 && width == 1 }
    var count: Int { channels * height * width }
}

/// A convolution or linear layer with what was folded into it.
struct LayerWeights {
    var convolution: Convolution
    /// O x I/groups x H x W.
    var dense: [Float]
    /// What each output's weights are multiplied by.
    var scale: [Double]
    var bias: [Double]
}

/// One pass over values: what a node does, and those that go with it at no cost.
struct LoweredStep {
    enum Kind {
        /// Takes its input and perhaps a value that is added to the result.
        case convolution(LayerWeights)
        case maxPool(Pooling)
        case averagePool(Pooling)
        case globalAveragePool
        case add
        /// x * factor + offset by channel.
        case scale(factors: [Float], offsets: [Float])
        case scaleChannels
        case activate
        /// Each output channel is another one, moved, or zero (nil).
        case move([Source?])
        case flatten
        /// The same value, arranged otherwise.
        case rearrange
    }

    /// A channel of the input, so many rows and columns away.
    struct Source {
        var channel: Int
        var row = 0
        var column = 0
    }

    enum Activation {
        case identity, relu, sigmoid, swish
    }

    var kind: Kind
    var activation = Activation.identity
    /// Indices of values.
    var inputs: [Int]
    var output: Int
    /// The nodes that it computes, the first being the one that gives it its name.
    var nodes: [String]

    /// Whether an activation of its result comes for free.
    var canActivate: Bool {
        guard activation == .identity else { return false }
        switch kind {
        case .convolution, .add, .scale, .scaleChannels, .activate: return true
        case .maxPool, .averagePool, .globalAveragePool, .move, .flatten, .rearrange: return false
        }
    }
}

/// A network as steps: batch norms inside of convolutions, sums and activations at their ends, identities gone.
struct Lowering {
    /// The extents of each value; value 0 is the network's input.
    private(set) var values: [Extents]
    private(set) var steps: [LoweredStep] = []
    private(set) var output = 0

    private let graph: Graph
    private let weights: Weights
    /// The value of each node so far.
    private var valueOfNode: [String: Int] = [Graph.inputName: 0]
    /// The node whose value a node passes on unchanged.
    private var origins: [String: String] = [:]
    /// How many nodes take each value, identities left out.
    private var useCounts: [String: Int] = [:]

    /// Throws `GraphError` where the graph breaks a rule.
    init(_ model: FrozenModel) throws(GraphError) {
        graph = model.graph
        weights = model.weights
        values = [Extents(graph.inputShape)]
        let shapes = try graph.outputShapes()
        findIdentities(shapes)
        for (node, shape) in zip(graph.nodes, shapes) where origins[node.name] == nil {
            lower(node, inputs: node.inputs.map(origin), shape: Extents(shape))
        }
        output = valueOfNode[origin(of: graph.outputName)]!
        // Results are handed over as vectors, channel by channel.
        if !values[output].isVector {
            let vector = Extents(channels: values[output].count, height: 1, width: 1)
            append(.flatten, of: [output], vector, node: graph.outputName)
            output = values.count - 1
        }
    }

    private func origin(of name: String) -> String { origins[name] ?? name }

    private mutating func findIdentities(_ shapes: [Shape]) {
        var shapeOfNode = [Graph.inputName: graph.inputShape]
        for (node, shape) in zip(graph.nodes, shapes) {
            if node.isIdentity(on: Extents(shapeOfNode[node.inputs[0]]!)) {
                origins[node.name] = origin(of: node.inputs[0])
            } else {
                for input in node.inputs { useCounts[origin(of: input), default: 0] += 1 }
            }
            shapeOfNode[node.name] = shape
        }
        useCounts[origin(of: graph.outputName), default: 0] += 1
    }
}

extension Node {
    /// Whether its value is, in evaluation and as pixels lie, that of its input.
    fileprivate func isIdentity(on input: Extents) -> Bool {
        switch operation {
        case .stopGradient, .dropout, .dropBranch: true
        case .padChannels(let before, let after): before == 0 && after == 0
        case .flatten: input.isVector
        case .convolution, .batchNorm, .affine, .linear, .relu, .sigmoid, .swish, .maxPool, .averagePool,
            .globalAveragePool, .add, .scaleChannels, .shift:
            false
        }
    }
}

// MARK: - A node at a time

extension Lowering {
    private mutating func lower(_ node: Node, inputs names: [String], shape: Extents) {
        let inputs = names.map { valueOfNode[$0]! }
        let name = node.name
        switch node.operation {
        case .convolution(let convolution):
            append(.convolution(layer(convolution, named: name)), of: inputs, shape, node: name)
        case .linear(let linear):
            append(.convolution(layer(linear, on: values[inputs[0]], named: name)), of: inputs, shape, node: name)
        case .batchNorm(let norm): scaleChannels(of: names[0], by: factors(of: norm, named: name), node: name)
        case .affine:
            let terms = (elements("\(name).weight"), elements("\(name).bias"))
            scaleChannels(
                of: names[0], by: (terms.0.map { Double($0) }, terms.1.map { Double($0) }), node: name)
        case .relu: activate(names[0], .relu, node: name)
        case .sigmoid: activate(names[0], .sigmoid, node: name)
        case .swish: activate(names[0], .swish, node: name)
        case .maxPool(let pooling): append(.maxPool(pooling), of: inputs, shape, node: name)
        case .averagePool(let pooling): append(.averagePool(pooling), of: inputs, shape, node: name)
        case .globalAveragePool: append(.globalAveragePool, of: inputs, shape, node: name)
        case .add: add(names, node: name)
        case .scaleChannels: append(.scaleChannels, of: inputs, shape, node: name)
        case .shift(let shift):
            let taps = shift.taps(channels: shape.channels)
            let sources = taps.enumerated().map { channel, tap in
                LoweredStep.Source(
                    channel: channel, row: shift.dilation * (tap.row - shift.kernel / 2),
                    column: shift.dilation * (tap.column - shift.kernel / 2))
            }
            append(.move(sources), of: inputs, shape, node: name)
        case .padChannels(let before, let after):
            let sources = (0..<shape.channels).map { channel in
                (before..<shape.channels - after).contains(channel)
                    ? LoweredStep.Source(channel: channel - before) : nil
            }
            append(.move(sources), of: inputs, shape, node: name)
        case .flatten:
            // A linear layer reads pixels where they lie, as a convolution with a kernel of the image's size.
            if consumersAreLinear(name) {
                valueOfNode[name] = inputs[0]
            } else {
                append(.flatten, of: inputs, shape, node: name)
            }
        case .stopGradient, .dropout, .dropBranch: preconditionFailure("identities have been left out")
        }
    }

    private mutating func append(_ kind: LoweredStep.Kind, of inputs: [Int], _ shape: Extents, node: String) {
        values.append(shape)
        steps.append(LoweredStep(kind: kind, inputs: inputs, output: values.count - 1, nodes: [node]))
        valueOfNode[node] = values.count - 1
    }

    /// The step that makes the value of a node that one other node takes, and nobody else.
    private func soleStep(for name: String) -> Int? {
        guard useCounts[name] == 1, let value = valueOfNode[name] else { return nil }
        return steps.lastIndex { $0.output == value }
    }

    private func consumersAreLinear(_ name: String) -> Bool {
        guard origin(of: graph.outputName) != name else { return false }
        return graph.nodes.allSatisfy { node in
            guard origins[node.name] == nil, node.inputs.contains(where: { origin(of: $0) == name }) else {
                return true
            }
            if case .linear = node.operation { return true }
            return false
        }
    }

    private mutating func activate(_ name: String, _ activation: LoweredStep.Activation, node: String) {
        if let index = soleStep(for: name), steps[index].canActivate {
            steps[index].activation = activation
            pass(steps[index].output, through: index, node: node)
        } else {
            let input = valueOfNode[name]!
            append(.activate, of: [input], values[input], node: node)
            steps[steps.count - 1].activation = activation
        }
    }

    private mutating func scaleChannels(
        of name: String, by terms: (factors: [Double], offsets: [Double]), node: String
    ) {
        if let index = soleStep(for: name), steps[index].canActivate, steps[index].inputs.count == 1,
            case .convolution(var layer) = steps[index].kind
        {
            for output in layer.scale.indices {
                layer.scale[output] *= terms.factors[output]
                layer.bias[output] = layer.bias[output] * terms.factors[output] + terms.offsets[output]
            }
            steps[index].kind = .convolution(layer)
            pass(steps[index].output, through: index, node: node)
        } else {
            let input = valueOfNode[name]!
            let kind = LoweredStep.Kind.scale(
                factors: terms.factors.map { Float($0) }, offsets: terms.offsets.map { Float($0) })
            append(kind, of: [input], values[input], node: node)
        }
    }

    /// A convolution whose result only goes into the sum adds the other term itself, and waits until that is there.
    private mutating func add(_ names: [String], node: String) {
        let candidates = names.indices.compactMap { place -> (step: Int, place: Int)? in
            guard let index = soleStep(for: names[place]), steps[index].canActivate, steps[index].inputs.count == 1,
                case .convolution(let layer) = steps[index].kind, !layer.convolution.isDepthwise
            else { return nil }
            return (index, place)
        }
        guard let (index, place) = candidates.max(by: { $0.step < $1.step }) else {
            let inputs = names.map { valueOfNode[$0]! }
            return append(.add, of: inputs, values[inputs[0]], node: node)
        }
        var step = steps.remove(at: index)
        step.inputs.append(valueOfNode[names[1 - place]]!)
        steps.append(step)
        pass(step.output, through: steps.count - 1, node: node)
    }

    private mutating func pass(_ value: Int, through index: Int, node: String) {
        steps[index].nodes.append(node)
        valueOfNode[node] = value
    }
}

// MARK: - Weights

extension Lowering {
    private func elements(_ name: String) -> [Float] { weights.tensors[name]!.elements }

    private func layer(_ convolution: Convolution, named name: String) -> LayerWeights {
        let dense = convolution.denseWeights(
            from: convolution.storedWeights.map { weights.tensors["\(name).\($0.suffix)"]! })
        return LayerWeights(
            convolution: convolution, dense: dense.elements,
            scale: Array(repeating: 1, count: convolution.outputChannels),
            bias: bias(named: name, outputs: convolution.outputChannels))
    }

    private func layer(_ linear: Linear, on input: Extents, named name: String) -> LayerWeights {
        let convolution = Convolution(
            inputChannels: input.channels, outputChannels: linear.outputs,
            kernel: Size(height: input.height, width: input.width))
        return LayerWeights(
            convolution: convolution, dense: elements("\(name).weight"),
            scale: Array(repeating: 1, count: linear.outputs), bias: bias(named: name, outputs: linear.outputs))
    }

    private func bias(named name: String, outputs: Int) -> [Double] {
        weights.tensors["\(name).bias"]?.elements.map(Double.init) ?? Array(repeating: 0, count: outputs)
    }

    private func factors(of norm: BatchNorm, named name: String) -> (factors: [Double], offsets: [Double]) {
        let variances = elements("\(name).running_var").map(Double.init)
        let factors = zip(elements("\(name).weight"), variances).map {
            Double($0) / ($1 + norm.epsilon).squareRoot()
        }
        let means = elements("\(name).running_mean").map(Double.init)
        let biases = elements("\(name).bias").map(Double.init)
        return (factors, biases.indices.map { biases[$0] - means[$0] * factors[$0] })
    }
}

extension Convolution {
    /// Whether each channel is convolved by itself.
    var isDepthwise: Bool { groups == inputChannels && groups == outputChannels && groups > 1 }
}
