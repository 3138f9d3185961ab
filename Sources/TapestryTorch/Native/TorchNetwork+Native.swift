import TapestryCore
import TapestryRuntime

extension TorchNetwork {
    /// The convolutions that Tapestry's kernels compute.
    public var nativeConvolutions: [String] {
        graph.nodes.filter { $0.operation.kind == "convolution" && native?.contains($0.name) == true }.map(\.name)
    }

    /// The value of a node that Tapestry's kernels compute or put off; nil for one that is libtorch's.
    func nativeValue(
        ofNodeAt index: Int, _ values: inout [GraphValue?], _ mode: Mode
    ) throws(TorchError) -> GraphValue? {
        guard let native else { return nil }
        let node = graph.nodes[index]
        let position = plan.inputs[index][0]
        let x = values[position]!
        // Kernels have nothing to start with there.
        guard x.raw.shape[0] > 0 else { return nil }
        switch node.operation {
        case .convolution(let convolution):
            guard native.contains(node.name) else { return nil }
            return try convolve(
                &values, at: index, weight: value("\(node.name).weight"),
                bias: convolution.hasBias ? value("\(node.name).bias") : nil, mode)
        case .shift:
            guard native.contains(node.name) else { return nil }
            return try convolve(&values, at: index, weight: displacements[node.name]!, bias: nil, mode)
        case .maxPool(let pooling):
            guard native.canRead(x) else { return nil }
            return try native.pool(node.name, x, pooling, takesMean: false)
        case .averagePool(let pooling):
            guard native.canRead(x) else { return nil }
            return try native.pool(node.name, x, pooling, takesMean: true)
        case .batchNorm(let norm):
            // Statistics over several processes are libtorch's.
            guard native.canRead(x), batchNormGroup == nil || mode != .training else { return nil }
            let plain = x.isPlain && x.raw.isContiguous(.channelsLast) ? x : GraphValue(try native.tensor(x))
            return try normalize(plain, norm, named: node.name, mode)
        case .relu:
            guard native.canRead(x) else { return nil }
            // What was passed on takes gradients of itself, which a ReLU after it would change.
            var y = x.isPassedOn || x.isPlain ? GraphValue(try native.tensor(x)) : x
            y.rectifies = true
            return y
        case .add:
            let other = values[plan.inputs[index][1]]!
            guard !(x.isPlain && other.isPlain), native.canRead(x), native.canRead(other),
                x.raw.shape == other.raw.shape, x.raw.dataType == other.raw.dataType
            else { return nil }
            return try native.add(x, other)
        default: return nil
        }
    }

    /// The convolution or shift of a node that is native. Its input is replaced by what it passes on to those that read it
    /// later.
    private func convolve(
        _ values: inout [GraphValue?], at index: Int, weight: TorchTensor, bias: TorchTensor?, _ mode: Mode
    ) throws(TorchError) -> GraphValue {
        let position = plan.inputs[index][0]
        let x = values[position]!
        let (y, passed) = try native!.convolve(
            graph.nodes[index].name, x, weight: weight, bias: bias,
            findsMoments: mode != .evaluation && plan.normalized.contains(index + 1),
            passesOn: Torch.isGradEnabled && x.raw.requiresGrad && plan.lastUses[position] > index)
        if let passed { values[position] = passed }
        return y
    }

    private func normalize(
        _ x: GraphValue, _ norm: BatchNorm, named name: String, _ mode: Mode
    ) throws(TorchError) -> GraphValue {
        countBatch(of: name, mode)
        let running = (statistics["\(name).running_mean"]!, statistics["\(name).running_var"]!)
        let moments: ChannelMoments
        if mode == .evaluation {
            moments = ChannelMoments(
                means: running.0.floats.map { Double($0) }, variances: running.1.floats.map { Double($0) })
        } else {
            moments = try native!.moments(of: x)
            if mode == .training { update(running, moments, count: x.raw.shape.count / norm.channels, norm) }
        }
        var y = GraphValue(x.raw)
        y.gradient = x.gradient
        y.norm = DeferredNorm(
            weight: value("\(name).weight"), bias: value("\(name).bias"), moments: moments, epsilon: norm.epsilon,
            areOfBatch: mode != .evaluation)
        return y
    }

    /// Moves the running statistics by a batch's, the variance unbiased.
    private func update(
        _ running: (mean: TorchTensor, variance: TorchTensor), _ moments: ChannelMoments, count: Int, _ norm: BatchNorm
    ) {
        let correction = Double(count) / Double(max(count - 1, 1))
        let (means, variances) = (
            running.mean.data.assumingMemoryBound(to: Float.self),
            running.variance.data.assumingMemoryBound(to: Float.self)
        )
        for channel in 0..<norm.channels {
            means[channel] += Float(norm.momentum * (moments.means[channel] - Double(means[channel])))
            variances[channel] += Float(
                norm.momentum * (moments.variances[channel] * correction - Double(variances[channel])))
        }
    }
}
