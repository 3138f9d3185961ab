import TapestryCore

extension Model {
    /// This network's weights in the form of `target`, a network to be trained that computes the same: the way back from
    /// a deployed network, or from a dense one to one of branches.
    ///
    /// The two are matched layer by layer through their deployed forms. Where both have a layer's batch norm, it is kept
    /// with its statistics; where only the target has, it starts as the identity. Of several branches that become one
    /// convolution the one with the whole kernel takes the weights. The others keep those of `initial`, and the weights of
    /// their batch norms are zero, so that they add nothing yet and learn from the first step on. (Zero kernels under a
    /// batch norm would not do: in training the first step's noise is normalised to full size.)
    ///
    /// - Parameter initial: starting values for `target`.
    ///
    /// Throws `GraphError` naming the layer of the target for which this network has no match, and where the target's
    /// layer lacks a weight that is not zero.
    public func retrainable(as target: Graph, initial: Weights) throws(GraphError) -> Model {
        var transfer = try Transfer(from: self, to: Model(graph: target, weights: initial))
        try transfer.run()
        return try Model(graph: target, weights: transfer.weights, facts: facts)
    }
}

/// Carries weights from one network to another that has the same deployed form.
private struct Transfer {
    private let sourceModel: Model
    private let target: Graph
    private var source: DeployingNetwork
    private var goal: DeployingNetwork
    private(set) var weights: Weights

    init(from source: Model, to target: Model) throws(GraphError) {
        sourceModel = source
        self.target = target.graph
        self.source = DeployingNetwork(source)
        goal = DeployingNetwork(target)
        weights = target.weights
        // Whatever is ternary in one of them may not be in the other.
        try self.source.deploy(.everywhere, keepsTernary: false)
        try goal.deploy(.everywhere, keepsTernary: false)
    }

    mutating func run() throws(GraphError) {
        var counterparts = [Graph.inputName: Graph.inputName]
        for (from, to) in zip(source.nodes, goal.nodes) {
            guard from.operation.kind == to.operation.kind, from.inputs.map({ counterparts[$0] }) == to.inputs else {
                throw GraphError(
                    node: to.name, reason: "the network given has \(from.operation.kind) \"\(from.name)\" here")
            }
            counterparts[from.name] = to.name
            switch (from.operation, to.operation) {
            case (.convolution(let a), .convolution(let b)):
                guard a.geometry == b.geometry else {
                    throw GraphError(
                        node: to.name, reason: "\"\(from.name)\" of the network given is a convolution of another form")
                }
                try transfer(from.name, a, to: to.name, b)
            case (.linear(let a), .linear(let b)):
                guard a.inputs == b.inputs, a.outputs == b.outputs else {
                    throw GraphError(node: to.name, reason: "\"\(from.name)\" of the network given has other extents")
                }
                try transfer(from.name, to: to.name)
            case (.batchNorm, .batchNorm), (.affine, .affine):
                for (old, new) in zip(from.parameters, to.parameters) {
                    weights.tensors[new.name] = sourceModel.weights.tensors[old.name]
                }
                copyCount(from: from.name, to: to.name)
            default:
                guard from.operation == to.operation else {
                    throw GraphError(node: to.name, reason: "\"\(from.name)\" of the network given does something else")
                }
            }
        }
        guard source.nodes.count == goal.nodes.count else {
            throw GraphError(node: target.outputName, reason: "the network given has another number of layers")
        }
    }

    private mutating func transfer(
        _ from: String, _ a: Convolution, to: String, _ b: Convolution
    ) throws(GraphError) {
        let pair = try Pair(source.origins[from], goal.origins[to], layer: to)
        let stored = a.storedWeights.map { values(of: from, $0.suffix, pair) }
        let dense = a.denseWeights(from: stored)
        let kept = b.storedWeights(from: dense)
        let lost = dense.elements.count { $0 != 0 } - kept.reduce(0) { $0 + $1.elements.count { $0 != 0 } }
        guard lost == 0 else {
            throw GraphError(
                node: to,
                reason:
                    "\(lost) weights of \"\(from)\" lie where this layer has none; with it no network computes the same"
            )
        }
        for (stored, tensor) in zip(b.storedWeights, kept) {
            weights.tensors["\(pair.main.name).\(stored.suffix)"] = tensor.map(Float.init)
        }
        try transferBias(from, to: to, pair)
    }

    private mutating func transfer(_ from: String, to: String) throws(GraphError) {
        let pair = try Pair(source.origins[from], goal.origins[to], layer: to)
        weights.tensors["\(pair.main.name).weight"] = values(of: from, "weight", pair).map(Float.init)
        try transferBias(from, to: to, pair)
    }

    /// A parameter of a layer: as it was before its batch norm was folded, where that batch norm has a counterpart.
    private func values(of layer: String, _ suffix: String, _ pair: Pair) -> Tensor<Double> {
        if let kept = pair.kept {
            return sourceModel.weights.tensors["\(kept.name).\(suffix)"]!.map(Double.init)
        }
        return source.tensors["\(layer).\(suffix)"]!
    }

    private mutating func transferBias(_ from: String, to: String, _ pair: Pair) throws(GraphError) {
        for other in pair.others { silence(other) }
        let name = "\(pair.main.name).bias"
        let hasBias = weights.tensors[name] != nil
        if let kept = pair.kept {
            transferNorm(kept, pair, hasBias: hasBias)
            return
        }
        let bias = source.tensors["\(from).bias"].map { $0.map(Float.init) }
        if let norm = pair.main.batchNorm, case .batchNorm(let form)? = target.node(named: norm)?.operation {
            let shape: Shape = [form.channels]
            weights.tensors["\(norm).weight"] = Tensor(
                shape: shape, repeating: Float((1 + form.epsilon).squareRoot()))
            weights.tensors["\(norm).bias"] = bias ?? Tensor(shape: shape, repeating: 0)
            weights.tensors["\(norm).running_mean"] = Tensor(shape: shape, repeating: 0)
            weights.tensors["\(norm).running_var"] = Tensor(shape: shape, repeating: 1)
            if hasBias { weights.tensors[name] = Tensor(shape: shape, repeating: 0) }
        } else if let affine = pair.main.affine, let shape = weights.tensors["\(affine).bias"]?.shape {
            weights.tensors["\(affine).weight"] = Tensor(shape: shape, repeating: 1)
            weights.tensors["\(affine).bias"] = bias ?? Tensor(shape: shape, repeating: 0)
            if hasBias { weights.tensors[name] = Tensor(shape: shape, repeating: 0) }
        } else if hasBias, let shape = weights.tensors[name]?.shape {
            weights.tensors[name] = bias ?? Tensor(shape: shape, repeating: 0)
        } else if let bias, bias.elements.contains(where: { $0 != 0 }) {
            throw GraphError(node: to, reason: "has neither bias nor batch norm for the bias of \"\(from)\"")
        }
    }

    /// A batch norm or affine operation that both networks have, with the bias of the convolution before it where only one
    /// of them has that.
    private mutating func transferNorm(_ from: DeployingNetwork.Layer, _ pair: Pair, hasBias: Bool) {
        guard let old = from.batchNorm, let new = pair.main.batchNorm else {
            transferScale(from, pair, hasBias: hasBias)
            return
        }
        for suffix in ["weight", "bias", "running_mean", "running_var"] {
            weights.tensors["\(new).\(suffix)"] = sourceModel.weights.tensors["\(old).\(suffix)"]
        }
        copyCount(from: old, to: new)
        let bias = sourceModel.weights.tensors["\(from.name).bias"]
        if hasBias, let shape = weights.tensors["\(pair.main.name).bias"]?.shape {
            weights.tensors["\(pair.main.name).bias"] = bias ?? Tensor(shape: shape, repeating: 0)
        } else if let bias, let mean = sourceModel.weights.tensors["\(old).running_mean"] {
            weights.tensors["\(new).running_mean"] = Tensor(
                shape: mean.shape, elements: zip(mean.elements, bias.elements).map { $0 - $1 })
        }
    }

    /// The factors and summands of a batch norm or affine operation, where at least one of the two is the latter. A batch
    /// norm takes them under statistics of 0 and 1.
    private mutating func transferScale(_ from: DeployingNetwork.Layer, _ pair: Pair, hasBias: Bool) {
        guard let old = from.batchNorm ?? from.affine, let new = pair.main.batchNorm ?? pair.main.affine,
            let node = sourceModel.graph.node(named: old),
            var (scale, shift) = DeployingNetwork(sourceModel).scaleAndShift(of: node)
        else { return }
        let shape: Shape = [scale.count]
        let bias = sourceModel.weights.tensors["\(from.name).bias"]
        if hasBias {
            weights.tensors["\(pair.main.name).bias"] = bias ?? Tensor(shape: shape, repeating: 0)
        } else if let bias {
            shift = shift.indices.map { shift[$0] + scale[$0] * Double(bias.elements[$0]) }
        }
        if case .batchNorm(let form)? = target.node(named: new)?.operation {
            scale = scale.map { $0 * (1 + form.epsilon).squareRoot() }
            weights.tensors["\(new).running_mean"] = Tensor(shape: shape, repeating: 0)
            weights.tensors["\(new).running_var"] = Tensor(shape: shape, repeating: 1)
        }
        weights.tensors["\(new).weight"] = Tensor(shape: shape, elements: scale.map(Float.init))
        weights.tensors["\(new).bias"] = Tensor(shape: shape, elements: shift.map(Float.init))
    }

    private mutating func copyCount(from: String, to: String) {
        let suffix = "num_batches_tracked"
        weights.batchCounts["\(to).\(suffix)"] = sourceModel.weights.batchCounts["\(from).\(suffix)"]
    }

    /// Makes a branch add nothing.
    private mutating func silence(_ branch: DeployingNetwork.Layer) {
        let names =
            branch.batchNorm.map { ["\($0).weight", "\($0).bias"] }
            ?? weights.tensors.keys.filter { $0.hasPrefix("\(branch.name).") }
        for name in names {
            if let shape = weights.tensors[name]?.shape { weights.tensors[name] = Tensor(shape: shape, repeating: 0) }
        }
    }

    /// A layer of the target and what of the source it takes.
    private struct Pair {
        let main: DeployingNetwork.Layer
        let others: [DeployingNetwork.Layer]
        /// The source's layer, where it and the target's have a batch norm or an affine operation each and nothing else is
        /// part of it.
        let kept: DeployingNetwork.Layer?

        init(
            _ source: DeployingNetwork.Origin?, _ goal: DeployingNetwork.Origin?, layer: String
        ) throws(GraphError) {
            guard let goal, let main = goal.main else {
                throw GraphError(node: layer, reason: "none of its branches has the whole kernel")
            }
            self.main = main
            others = goal.others
            func isScaled(_ layer: DeployingNetwork.Layer?) -> Bool { (layer?.batchNorm ?? layer?.affine) != nil }
            kept = source?.others.isEmpty == true && isScaled(source?.main) && isScaled(main) ? source?.main : nil
        }
    }
}

extension Convolution {
    /// The convolution without what may differ between forms of one layer.
    fileprivate var geometry: Convolution {
        Convolution(
            inputChannels: inputChannels, outputChannels: outputChannels, kernel: kernel, stride: stride,
            padding: padding, dilation: dilation, groups: groups)
    }
}
