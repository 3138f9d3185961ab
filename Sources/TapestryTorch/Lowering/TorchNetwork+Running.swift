import TapestryCore

extension TorchNetwork {
    /// What batch norms do.
    public enum Mode {
        /// Normalise with the running statistics.
        case evaluation
        /// Normalise with the batch's, and move the running ones.
        case training
        /// Normalise with the batch's, and leave the running ones alone.
        case inspection
    }

    /// The logits, N x classes, of N x C x H x W images.
    public func logits(of images: TorchTensor, mode: Mode) throws(TorchError) -> TorchTensor {
        try run(images, mode, check: nil)
    }

    /// The name of the first node with a parameter, or a value for `images`, that is infinite or NaN; nil if none is.
    public func firstNonFiniteNode(for images: TorchTensor, mode: Mode = .inspection) throws(TorchError) -> String? {
        var name: String?
        _ = try run(images, mode) { [self] node, value throws(TorchError) in
            var isFinite = try value.isFinite()
            for parameter in parameters where parameter.name.hasPrefix("\(node.name).") && isFinite {
                isFinite = try parameter.value.isFinite()
            }
            if !isFinite { name = node.name }
            return isFinite
        }
        return name
    }

    /// Runs the nodes in order, until `check`, where there is one, says no to a node's value; the last value made is
    /// returned.
    private func run(
        _ images: TorchTensor, _ mode: Mode, check: ((Node, TorchTensor) throws(TorchError) -> Bool)?
    ) throws(TorchError) -> TorchTensor {
        var values: [GraphValue?] = [GraphValue(images)] + Array(repeating: nil, count: graph.nodes.count)
        for (index, node) in graph.nodes.enumerated() {
            let value = try native == nil ? nil : nativeValue(ofNodeAt: index, &values, mode)
            if let value {
                values[index + 1] = value
            } else {
                let inputs = try plan.inputs[index].map { position throws(TorchError) in
                    try stored(&values[position]!)
                }
                values[index + 1] = GraphValue(
                    try self.value(of: node, inputs, mode, overwrites: plan.overwriting.contains(index)))
            }
            if let check, !(try check(node, try stored(&values[index + 1]!))) {
                return try stored(&values[index + 1]!)
            }
            for position in plan.inputs[index] where plan.lastUses[position] == index { values[position] = nil }
        }
        return try stored(&values[plan.output]!)
    }

    /// The value as a tensor, which it is from now on.
    private func stored(_ value: inout GraphValue) throws(TorchError) -> TorchTensor {
        guard let native, !value.isPlain else {
            value.gradient?.addReader()
            return value.raw
        }
        value = GraphValue(try native.tensor(value))
        return value.raw
    }

    private func value(
        of node: Node, _ inputs: [TorchTensor], _ mode: Mode, overwrites: Bool
    ) throws(TorchError) -> TorchTensor {
        let x = inputs[0]
        switch node.operation {
        case .convolution(let convolution):
            let realization = realizations[node.name]!
            let kernels = kernels(of: node.name, realization)
            let bias = convolution.hasBias ? value("\(node.name).bias") : nil
            let displacement = displacements[node.name]
            guard let chooser else {
                return try realization(x, kernels: kernels, bias: bias, displacement: displacement)
            }
            return try chooser(x, realization, kernels: kernels, bias: bias, displacement: displacement)
        case .batchNorm(let norm): return try normalize(x, norm, named: node.name, mode)
        case .affine(let channels): return try scale(x, channels: channels, named: node.name)
        case .linear(let linear):
            return try x.linear(
                weight: value("\(node.name).weight"), bias: linear.hasBias ? value("\(node.name).bias") : nil)
        case .relu: return overwrites ? try x.reluInPlace() : try x.relu()
        case .sigmoid: return try x.sigmoid()
        case .swish: return try x.swish()
        case .maxPool(let pooling):
            return try x.maxPool2d(
                kernel: pooling.kernel.extents, stride: pooling.stride.extents,
                padding: [pooling.padding.top, pooling.padding.left])
        case .averagePool(let pooling):
            return try x.avgPool2d(
                kernel: pooling.kernel.extents, stride: pooling.stride.extents,
                padding: [pooling.padding.top, pooling.padding.left])
        case .globalAveragePool:
            // As the published networks have it, whose sums a mean would round in another order.
            return try x.avgPool2d(kernel: [x.shape[2], x.shape[3]], stride: [1, 1]).flattened()
        case .add: return try x.add(inputs[1])
        case .scaleChannels: return try x.multiply(by: try inputs[1].reshaped(to: [-1, x.shape[1], 1, 1]))
        case .shift(let shift):
            let reach = shift.dilation * (shift.kernel / 2)
            return try x.convolution(
                weight: displacements[node.name]!, padding: [reach, reach],
                dilation: [shift.dilation, shift.dilation], groups: x.shape[1])
        case .padChannels(let before, let after): return try x.constantPad([(before, after), (0, 0), (0, 0)])
        case .stopGradient: return try x.detached()
        case .dropout(let probability):
            return mode == .training ? try x.dropout(probability: probability, training: true) : x
        case .dropBranch(let probability):
            guard mode == .training else { return x }
            let shape = Shape([x.shape[0]] + x.shape.dimensions.dropFirst().map { _ in 1 })
            return try x.multiply(
                by: try TorchTensor.full(shape, 1, on: device).dropout(probability: probability, training: true))
        case .flatten: return try x.flattened()
        }
    }

    /// A batch norm whose statistics are 0 and 1: one pass over the values, at any precision.
    private func scale(_ x: TorchTensor, channels: Int, named name: String) throws(TorchError) -> TorchTensor {
        try x.batchNorm(
            weight: value("\(name).weight"), bias: value("\(name).bias"),
            runningMean: try .full([channels], 0, on: device), runningVariance: try .full([channels], 1, on: device),
            training: false, epsilon: 0)
    }

    func countBatch(of name: String, _ mode: Mode) {
        if mode == .training { batchCounts["\(name).num_batches_tracked", default: 0] += 1 }
    }

    private func normalize(
        _ x: TorchTensor, _ norm: BatchNorm, named name: String, _ mode: Mode
    ) throws(TorchError) -> TorchTensor {
        countBatch(of: name, mode)
        if mode == .training, let group = batchNormGroup {
            return try x.batchNorm(
                weight: value("\(name).weight"), bias: value("\(name).bias"),
                runningMean: statistics["\(name).running_mean"]!, runningVariance: statistics["\(name).running_var"]!,
                momentum: norm.momentum, epsilon: norm.epsilon, synchronizedBy: group)
        }
        return try x.batchNorm(
            weight: value("\(name).weight"), bias: value("\(name).bias"),
            runningMean: mode == .inspection ? nil : statistics["\(name).running_mean"],
            runningVariance: mode == .inspection ? nil : statistics["\(name).running_var"],
            training: mode != .evaluation, momentum: norm.momentum, epsilon: norm.epsilon)
    }
}

/// Which value goes where: value 0 is the network's input, value i + 1 that of node i.
struct ExecutionPlan {
    /// For each node, the values it takes.
    let inputs: [[Int]]
    /// For each value, the last node that takes it, after which its memory can go.
    let lastUses: [Int]
    let output: Int
    /// The nodes that may compute in the memory of what they take: a ReLU alone takes it, and the gradient of what made
    /// it needs the inputs only. Half of the memory traffic of an activation goes.
    let overwriting: Set<Int>
    /// The values that batch norms take.
    let normalized: Set<Int>

    init(_ graph: Graph) {
        var positions = [Graph.inputName: 0]
        for (index, node) in graph.nodes.enumerated() { positions[node.name] = index + 1 }
        inputs = graph.nodes.map { $0.inputs.map { positions[$0]! } }
        output = positions[graph.outputName]!
        var uses = Array(repeating: -1, count: graph.nodes.count + 1)
        for (index, taken) in inputs.enumerated() {
            for position in taken { uses[position] = index }
        }
        lastUses = uses
        let useCounts = inputs.joined().reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
        var overwriting: Set<Int> = []
        for (index, node) in graph.nodes.enumerated() where node.operation == .relu {
            let taken = inputs[index][0]
            guard taken > 0, taken != output, useCounts[taken] == 1 else { continue }
            switch graph.nodes[taken - 1].operation {
            case .convolution, .batchNorm, .affine, .linear, .add: overwriting.insert(index)
            default: break
            }
        }
        self.overwriting = overwriting
        normalized = Set(
            graph.nodes.indices.filter { if case .batchNorm = graph.nodes[$0].operation { true } else { false } }
                .map { [inputs] in inputs[$0][0] })
    }
}

extension Size {
    fileprivate var extents: [Int] { [height, width] }
}
