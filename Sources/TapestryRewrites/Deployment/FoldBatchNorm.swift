import TapestryCore

extension DeployingNetwork {
    /// Multiplies a batch norm's scale into the weights of the convolution or linear layer whose value it alone takes,
    /// and adds its shift to their bias:
    ///
    ///     t = gamma / sqrt(variance + epsilon),  w' = t w,  b' = t (b - mean) + beta
    ///
    /// An affine operation is folded likewise. Where the weights are to stay ternary, t and b' become an affine operation
    /// after them instead, which takes the place and the name of the batch norm.
    mutating func foldBatchNorms(_ folding: BatchNormFolding) throws(GraphError) {
        try forEachNode { network, node in network.foldBatchNorm(node, folding) }
    }

    /// What a batch norm in evaluation, or an affine operation, multiplies each channel by and then adds; nil for other
    /// nodes.
    func scaleAndShift(of node: Node) -> (scale: [Double], shift: [Double])? {
        func values(_ suffix: String) -> [Double] { tensors["\(node.name).\(suffix)"]!.elements }
        switch node.operation {
        case .batchNorm(let norm):
            let scale = zip(values("weight"), values("running_var")).map { $0 / ($1 + norm.epsilon).squareRoot() }
            let (mean, beta) = (values("running_mean"), values("bias"))
            return (scale, scale.indices.map { beta[$0] - scale[$0] * mean[$0] })
        case .affine: return (values("weight"), values("bias"))
        default: return nil
        }
    }

    private mutating func foldBatchNorm(_ node: Node, _ folding: BatchNormFolding) {
        guard let (scale, shift) = scaleAndShift(of: node), let layer = self.node(named: node.inputs[0]),
            soleConsumer(of: layer.name)?.name == node.name, folding == .everywhere || isBranch(node),
            let (alone, biased) = layer.withoutAndWithBias
        else { return }
        let isTernary = isToStayTernary(layer)
        if isTernary, folding == .inBranches { return }
        let bias = zip(biases(named: layer.name, outputs: scale.count), zip(scale, shift)).map { $1.0 * $0 + $1.1 }
        let shape: Shape = [scale.count]
        if isTernary {
            for parameter in node.parameters { tensors[parameter.name] = nil }
            tensors["\(node.name).weight"] = Tensor(shape: shape, elements: scale)
            tensors["\(node.name).bias"] = Tensor(shape: shape, elements: bias)
            tensors["\(layer.name).bias"] = nil
            replace(layer.name, by: alone)
            replace(
                node.name, by: Node(name: node.name, operation: .affine(channels: scale.count), inputs: node.inputs))
            return
        }
        multiplyWeights(of: layer, by: scale)
        tensors["\(layer.name).bias"] = Tensor(shape: shape, elements: bias)
        replace(layer.name, by: biased)
        if case .batchNorm = node.operation {
            origins[layer.name]?.main?.batchNorm = node.name
        } else {
            origins[layer.name]?.main?.affine = node.name
        }
        remove(node.name, substituting: layer.name)
    }

    /// Multiplies the weights of each output by its factor.
    private mutating func multiplyWeights(of layer: Node, by scale: [Double]) {
        switch layer.operation {
        case .convolution(let convolution):
            let weightsPerOutput = convolution.channelsPerGroup * convolution.kernel.area
            let names = convolution.storedWeights.map { "\(layer.name).\($0.suffix)" }
            var stored = names.map { tensors[$0]! }
            convolution.forEachWeight { tensor, offset, position in
                stored[tensor].elements[offset] *= scale[position / weightsPerOutput]
            }
            for (name, tensor) in zip(names, stored) { tensors[name] = tensor }
        case .linear(let linear):
            for index in 0..<linear.outputs * linear.inputs {
                tensors["\(layer.name).weight"]!.elements[index] *= scale[index / linear.inputs]
            }
        default: break
        }
    }

    /// Whether a batch norm of a convolution is a term of a sum of nothing but convolutions of one value, normalised or not.
    private func isBranch(_ norm: Node) -> Bool {
        guard let sum = soleConsumer(of: norm.name), sum.operation == .add, let source = source(ofBranch: norm.name)
        else { return false }
        return sum.inputs.allSatisfy { self.source(ofBranch: $0) == source }
    }

    /// What the convolutions of a branch, or of a sum of branches, take; nil for what is neither.
    private func source(ofBranch name: String) -> String? {
        guard let node = node(named: name), soleConsumer(of: name) != nil else { return nil }
        switch node.operation {
        case .convolution: return node.inputs[0]
        case .batchNorm, .affine:
            guard let layer = self.node(named: node.inputs[0]), case .convolution = layer.operation,
                soleConsumer(of: layer.name) != nil
            else { return nil }
            return layer.inputs[0]
        case .add:
            let sources = Set(node.inputs.map { source(ofBranch: $0) })
            return sources.count == 1 ? sources.first! : nil
        default: return nil
        }
    }
}

// MARK: - Ternary layers

extension DeployingNetwork {
    /// Whether a layer's weights are ternary, and stored as that with an affine operation after them take less than folded
    /// ones with a bias. They do not where the layer is tiny; one whose weights are all zero is ternary when folded, too.
    func isToStayTernary(_ layer: Node) -> Bool {
        guard keepsTernary, let figures = weightFigures(of: layer), figures.isTernary, figures.nonzeros > 0 else {
            return false
        }
        let precision = ScoringPrecision.half
        let number = Double(precision.rawValue)
        let dense = Double(figures.count) * number
        let folded = min(dense, StorageFormat.mask.bits(figures, precision: precision) ?? dense)
        let ternary = StorageFormat.smallest(figures, precision: precision).bits
        return ternary + 2 * number * Double(figures.rows.count) < folded + number * Double(figures.rows.count)
    }

    private func weightFigures(of layer: Node) -> WeightFigures? {
        switch layer.operation {
        case .convolution(let convolution):
            return WeightFigures(
                convolution, convolution.storedWeights.map { tensors["\(layer.name).\($0.suffix)"]!.map(Float.init) })
        case .linear: return WeightFigures(tensors["\(layer.name).weight"]!.map(Float.init))
        default: return nil
        }
    }
}

extension Node {
    /// A convolution or linear layer without a bias, and the same with one; nil for other nodes.
    fileprivate var withoutAndWithBias: (alone: Node, biased: Node)? {
        var (alone, biased) = (self, self)
        switch operation {
        case .convolution(var convolution):
            convolution.hasBias = false
            alone.operation = .convolution(convolution)
            convolution.hasBias = true
            biased.operation = .convolution(convolution)
        case .linear(var linear):
            linear.hasBias = false
            alone.operation = .linear(linear)
            linear.hasBias = true
            biased.operation = .linear(linear)
        default: return nil
        }
        return (alone, biased)
    }
}
