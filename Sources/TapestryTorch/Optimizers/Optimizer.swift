/// What moves parameters against their gradients.
///
/// Its state is made whole at the start and lives in tensors: a training resumed from a copy of parameters and state
/// goes on bit by bit as the one that never stopped.
public protocol Optimizer: AnyObject {
    /// Weight decay and learning-rate factor of a group may be changed between steps; its parameters may not.
    var groups: [ParameterGroup] { get set }

    /// Everything but the parameters that the next step depends on, sharing memory with the optimiser: all zero at the
    /// start. Names are those of the parameters followed by ".momentum_buffer", ".exp_avg", ".exp_avg_sq" or ".step".
    var state: [NamedTensor] { get }

    /// Moves every parameter that has a gradient; leaves the others, and their state, alone.
    func step(learningRate: Double) throws(TorchError)
}

extension Optimizer {
    /// All parameters, group after group.
    public var parameters: [NamedTensor] { groups.flatMap(\.parameters) }

    /// Takes over a `state` saved before. Throws, unchanged, unless names and shapes are those of this optimiser.
    public func load(state saved: [NamedTensor]) throws(TorchError) {
        try state.copy(from: saved, for: "optimizer state")
    }

    /// Forgets the steps taken: the next one is the first step of a new optimiser.
    public func reset() throws(TorchError) {
        try Torch.withoutGradients { () throws(TorchError) in
            for element in state { try element.tensor.zero() }
        }
    }

    /// Removes all gradients: the next `backward` starts from none.
    public func clearGradients() throws(TorchError) {
        for parameter in parameters { try parameter.tensor.setGrad(nil) }
    }
}

/// The parameters of a group that have a gradient, in the form that list operators take: each tensor with its axes in the
/// order of its memory. libtorch's fused operators copy any other gradient, whose copy they then do not read.
struct GradientList {
    /// Places in the group.
    let indices: [Int]
    let parameters: [TorchTensor]
    let gradients: [TorchTensor]

    init(_ group: ParameterGroup) throws(TorchError) {
        var (indices, parameters, gradients): ([Int], [TorchTensor], [TorchTensor]) = ([], [], [])
        for (index, parameter) in group.parameters.enumerated() {
            guard let gradient = parameter.tensor.grad else { continue }
            indices.append(index)
            parameters.append(try parameter.tensor.withAxesAsStored())
            gradients.append(try gradient.withAxesAsStored())
        }
        (self.indices, self.parameters, self.gradients) = (indices, parameters, gradients)
    }

    /// The elements of a group's state that belong to these parameters, and lie as they do.
    func of(_ state: [TorchTensor]) throws(TorchError) -> [TorchTensor] {
        var tensors: [TorchTensor] = []
        for index in indices { tensors.append(try state[index].withAxesAsStored()) }
        return tensors
    }
}
