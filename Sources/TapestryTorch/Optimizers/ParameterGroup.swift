/// A tensor and the name it is saved under.
public struct NamedTensor {
    public let name: String
    public let tensor: TorchTensor

    public init(name: String, tensor: TorchTensor) {
        self.name = name
        self.tensor = tensor
    }
}

/// Parameters that an optimiser treats alike.
public struct ParameterGroup {
    public let parameters: [NamedTensor]
    public var weightDecay: Double
    /// Multiplies the learning rate of each step.
    public var learningRateFactor: Double

    public init(parameters: [NamedTensor], weightDecay: Double = 0, learningRateFactor: Double = 1) {
        self.parameters = parameters
        self.weightDecay = weightDecay
        self.learningRateFactor = learningRateFactor
    }
}

extension [NamedTensor] {
    /// Throws unless all are floating-point, of one type on one device (the fused operators take no mixture), with
    /// names that are all different.
    func checkAlike(for operation: String) throws(TorchError) {
        guard let first = first?.tensor else { return }
        let (type, device) = (first.dataType, first.device)
        var names: Set<String> = []
        for element in self {
            guard element.tensor.dataType == type, element.tensor.device == device, type.isFloatingPoint else {
                throw TorchError(
                    operation: operation,
                    message: "'\(element.name)' is \(element.tensor.dataType) on \(element.tensor.device), "
                        + "beside \(type) on \(device)")
            }
            guard names.insert(element.name).inserted else {
                throw TorchError(operation: operation, message: "two tensors are named '\(element.name)'")
            }
        }
    }

    /// Copies `source` into the tensors of the same names. Throws, having copied nothing, unless both have the same
    /// names and shapes.
    package func copy(from source: [NamedTensor], for operation: String) throws(TorchError) {
        let byName = Dictionary(source.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })
        guard source.count == count, byName.count == count else {
            throw TorchError(operation: operation, message: "\(source.count) tensors given for \(count)")
        }
        var pairs: [(TorchTensor, TorchTensor)] = []
        for target in self {
            guard let tensor = byName[target.name] else {
                throw TorchError(operation: operation, message: "'\(target.name)' is missing")
            }
            guard tensor.shape == target.tensor.shape else {
                throw TorchError(
                    operation: operation,
                    message: "'\(target.name)' has shape \(tensor.shape), not \(target.tensor.shape)")
            }
            pairs.append((target.tensor, tensor))
        }
        try Torch.withoutGradients { () throws(TorchError) in
            for (target, tensor) in pairs { try target.copy(from: tensor) }
        }
    }
}
