/// Stochastic gradient descent.
///
/// g ← gradient + weightDecay·p; with momentum μ, v ← μ·v + g, and g ← g + μ·v for Nesterov's, or v; p ← p − lr·g.
/// Sutskever et al., "On the importance of initialization and momentum in deep learning", in PyTorch's form (the
/// learning rate outside of v).
public final class SGD: Optimizer {
    public var groups: [ParameterGroup]
    public let momentum: Double
    public let nesterov: Bool
    /// v of each parameter of each group; empty without momentum.
    private let buffers: [[TorchTensor]]

    /// Precondition: Nesterov's has a momentum. Throws for parameters of several types or devices or of equal names.
    public init(groups: [ParameterGroup], momentum: Double = 0, nesterov: Bool = false) throws(TorchError) {
        precondition(momentum >= 0 && (momentum > 0 || !nesterov), "Nesterov's needs a momentum")
        try groups.flatMap(\.parameters).checkAlike(for: "SGD")
        self.groups = groups
        self.momentum = momentum
        self.nesterov = nesterov
        // From zero, the first v is the first g, as when libtorch sets it there.
        buffers = momentum == 0 ? groups.map { _ in [] } : try groups.zerosLikeParameters()
    }

    public var state: [NamedTensor] {
        zip(groups, buffers).flatMap { group, buffers in group.named(buffers, "momentum_buffer") }
    }

    public func step(learningRate: Double) throws(TorchError) {
        for (group, buffers) in zip(groups, buffers) {
            try Torch.withoutGradients { () throws(TorchError) in
                let list = try GradientList(group)
                guard !list.parameters.isEmpty else { return }
                let velocities = momentum == 0 ? [] : try list.of(buffers)
                _ = try Aten.fusedSGD.all([
                    .tensors(list.parameters), .tensors(list.gradients), .tensors(velocities),
                    .real(group.weightDecay), .real(momentum), .real(learningRate * group.learningRateFactor),
                    0.0, .boolean(nesterov), false, false,
                ])
            }
        }
    }
}

extension [ParameterGroup] {
    func zerosLikeParameters() throws(TorchError) -> [[TorchTensor]] {
        var zeros: [[TorchTensor]] = []
        for group in self {
            var tensors: [TorchTensor] = []
            for parameter in group.parameters { tensors.append(try parameter.tensor.zerosLike()) }
            zeros.append(tensors)
        }
        return zeros
    }
}

extension ParameterGroup {
    /// One tensor of state for each parameter, under the parameter's name and `suffix`.
    func named(_ tensors: [TorchTensor], _ suffix: String) -> [NamedTensor] {
        zip(parameters, tensors).map { NamedTensor(name: "\($0.name).\(suffix)", tensor: $1) }
    }
}
