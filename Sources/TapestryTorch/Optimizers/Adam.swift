import TapestryCore

/// Adam: steps scaled by running means of the gradient and its square.
///
/// g ← gradient + weightDecay·p; m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²;
/// p ← p − lr·(m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + epsilon).
/// Kingma and Ba, "Adam: a method for stochastic optimization", algorithm 1.
public class Adam: Optimizer {
    public var groups: [ParameterGroup]
    public let betas: (Double, Double)
    public let epsilon: Double
    private let means: [[TorchTensor]]
    private let squares: [[TorchTensor]]
    /// t of each parameter: a float32 scalar beside it, as the fused operators want.
    private let steps: [[TorchTensor]]
    private let operation: KnownOperator

    /// Throws for parameters of several types or devices or of equal names.
    public convenience init(
        groups: [ParameterGroup], betas: (Double, Double) = (0.9, 0.999), epsilon: Double = 1e-8
    ) throws(TorchError) {
        try self.init(groups: groups, betas: betas, epsilon: epsilon, operation: Aten.fusedAdam)
    }

    init(
        groups: [ParameterGroup], betas: (Double, Double), epsilon: Double, operation: KnownOperator
    ) throws(TorchError) {
        try groups.flatMap(\.parameters).checkAlike(for: "Adam")
        self.groups = groups
        self.betas = betas
        self.epsilon = epsilon
        self.operation = operation
        means = try groups.zerosLikeParameters()
        squares = try groups.zerosLikeParameters()
        var steps: [[TorchTensor]] = []
        for group in groups {
            var counts: [TorchTensor] = []
            for parameter in group.parameters { counts.append(try .full([], 0, on: parameter.tensor.device)) }
            steps.append(counts)
        }
        self.steps = steps
    }

    public var state: [NamedTensor] {
        groups.indices.flatMap { index in
            groups[index].named(means[index], "exp_avg") + groups[index].named(squares[index], "exp_avg_sq")
                + groups[index].named(steps[index], "step")
        }
    }

    public func step(learningRate: Double) throws(TorchError) {
        for (index, group) in groups.enumerated() {
            try Torch.withoutGradients { () throws(TorchError) in
                let list = try GradientList(group)
                guard !list.parameters.isEmpty else { return }
                let counts = try list.of(steps[index])
                _ = try Aten.foreachAddScalar.all([.tensors(counts), 1])
                _ = try operation.all([
                    .tensors(list.parameters), .tensors(list.gradients), .tensors(try list.of(means[index])),
                    .tensors(try list.of(squares[index])), .tensors([]), .tensors(counts),
                    .real(learningRate * group.learningRateFactor), .real(betas.0), .real(betas.1),
                    .real(group.weightDecay), .real(epsilon), false, false,
                ])
            }
        }
    }
}

/// Adam with the weight decay taken out of the gradient: p ← p − lr·weightDecay·p, and then Adam's step without it.
///
/// Loshchilov and Hutter, "Decoupled weight decay regularization", algorithm 2.
public final class AdamW: Adam {
    /// Throws for parameters of several types or devices or of equal names.
    public convenience init(
        groups: [ParameterGroup], betas: (Double, Double) = (0.9, 0.999), epsilon: Double = 1e-8
    ) throws(TorchError) {
        try self.init(groups: groups, betas: betas, epsilon: epsilon, operation: Aten.fusedAdamW)
    }
}
