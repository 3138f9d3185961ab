import TapestryCore
import TapestryRecipes
import TapestryTorch

extension Recipe {
    /// The optimiser that the recipe asks for, over a network's parameters in their order, without those of the names
    /// `excluded`.
    package func makeOptimizer(
        for network: TorchNetwork, excluding excluded: Set<String> = []
    ) throws(TorchError) -> any Optimizer {
        let groups = parameterGroups(of: network.parameters.filter { !excluded.contains($0.name) })
        switch optimizer {
        case .sgd: return try SGD(groups: groups, momentum: momentum, nesterov: nesterov && momentum > 0)
        case .adam: return try Adam(groups: groups, betas: (beta1, beta2), epsilon: epsilon)
        case .adamw: return try AdamW(groups: groups, betas: (beta1, beta2), epsilon: epsilon)
        }
    }

    /// Parameters that share weight decay and learning-rate factor, in the order in which the network has them.
    private func parameterGroups(of parameters: [TorchNetwork.TrainedParameter]) -> [ParameterGroup] {
        struct Treatment: Hashable {
            var weightDecay: Double
            var factor: Double
        }
        var order: [Treatment] = []
        var members: [Treatment: [NamedTensor]] = [:]
        for parameter in parameters {
            let isWeight = parameter.role == .convolutionWeight || parameter.role == .linearWeight
            let isBias = parameter.role == .bias || parameter.role == .batchNormBias
            let isDecayed =
                (weightDecayScope == .all || isWeight) && !noWeightDecay.contains { parameter.name.contains($0) }
            let treatment = Treatment(
                weightDecay: isDecayed ? weightDecay : 0,
                factor: isBias ? biasLearningRateFactor : 1)
            if members[treatment] == nil { order.append(treatment) }
            members[treatment, default: []].append(NamedTensor(name: parameter.name, tensor: parameter.value))
        }
        return order.map {
            ParameterGroup(parameters: members[$0]!, weightDecay: $0.weightDecay, learningRateFactor: $0.factor)
        }
    }
}
