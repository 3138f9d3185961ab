import TapestryCore

extension DeployingNetwork {
    /// Multiplies a batch norm's scale into the weights of the convolution or linear layer whose value it alone takes,
    /// and adds its shift to their bias:
    ///
    ///     t = gamma / sqrt(variance + epsilon),  w' = t w,  b' = t (b - mean) + beta
    mutating func foldBatchNorms(_ folding: BatchNormFolding) throws(GraphError) {
        try forEachNode { network, node in network.foldBatchNorm(node, folding) }
    }

    private mutating func foldBatchNorm(_ node: Node, _ folding: BatchNormFolding) {
        guard case .batchNorm(let norm) = node.operation, let layer = self.node(named: node.inputs[0]),
            soleConsumer(of: layer.name)?.name == node.name, folding == .everywhere || isBranch(node)
        else { return }
        switch layer.operation {
        case .convolution(let convolution): fold(norm, named: node.name, into: convolution, of: layer)
        case .linear(let linear): fold(norm, named: node.name, into: linear, of: layer)
        default: return
        }
        origins[layer.name]?.main?.batchNorm = node.name
        remove(node.name, substituting: layer.name)
    }

    private mutating func fold(
        _ norm: BatchNorm, named normName: String, into convolution: Convolution, of layer: Node
    ) {
        let (scale, bias) = folded(norm, named: normName, bias: biases(named: layer.name, outputs: norm.channels))
        let weightsPerOutput = convolution.channelsPerGroup * convolution.kernel.area
        let names = convolution.storedWeights.map { "\(layer.name).\($0.suffix)" }
        var stored = names.map { tensors[$0]! }
        convolution.forEachWeight { tensor, offset, position in
            stored[tensor].elements[offset] *= scale[position / weightsPerOutput]
        }
        for (name, tensor) in zip(names, stored) { tensors[name] = tensor }
        tensors["\(layer.name).bias"] = Tensor(shape: [norm.channels], elements: bias)
        var (node, convolution) = (layer, convolution)
        convolution.hasBias = true
        node.operation = .convolution(convolution)
        replace(layer.name, by: node)
    }

    private mutating func fold(_ norm: BatchNorm, named normName: String, into linear: Linear, of layer: Node) {
        let (scale, bias) = folded(norm, named: normName, bias: biases(named: layer.name, outputs: norm.channels))
        for index in 0..<linear.outputs * linear.inputs {
            tensors["\(layer.name).weight"]!.elements[index] *= scale[index / linear.inputs]
        }
        tensors["\(layer.name).bias"] = Tensor(shape: [norm.channels], elements: bias)
        var (node, linear) = (layer, linear)
        linear.hasBias = true
        node.operation = .linear(linear)
        replace(layer.name, by: node)
    }

    private func folded(_ norm: BatchNorm, named name: String, bias: [Double]) -> (scale: [Double], bias: [Double]) {
        func values(_ suffix: String) -> [Double] { tensors["\(name).\(suffix)"]!.elements }
        let scale = zip(values("weight"), values("running_var")).map { $0 / ($1 + norm.epsilon).squareRoot() }
        let (mean, beta) = (values("running_mean"), values("bias"))
        return (scale, bias.indices.map { scale[$0] * (bias[$0] - mean[$0]) + beta[$0] })
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
        case .batchNorm:
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
