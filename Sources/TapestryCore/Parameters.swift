/// What a parameter does in its node.
public enum ParameterRole: Hashable, Sendable {
    case convolutionWeight
    case linearWeight
    /// The additive term of a convolution, a linear layer or an affine operation.
    case bias
    /// The factors of an affine operation.
    case scale
    case batchNormWeight
    case batchNormBias
    case runningMean
    case runningVariance

    /// Whether training moves it by gradient; running statistics are kept, not trained.
    public var isTrainable: Bool { self != .runningMean && self != .runningVariance }
}

/// A tensor that a node stores: its state-dict key, shape and start.
public struct Parameter: Hashable, Sendable {
    public let name: String
    public let shape: Shape
    public let role: ParameterRole
    public let initialization: Initialization
    /// The fan-in of the weight that this is, or that this is the bias of: what an output sums over. 0 for batch norms
    /// and affine operations.
    public let fanIn: Int
    /// The fan-out of that weight: its outputs times the kernel's area. 0 for batch norms.
    public let fanOut: Int
}

extension Node {
    /// What the node stores, in the order of PyTorch's state dict. A batch norm's integer `num_batches_tracked` is not a
    /// parameter; see `Weights.batchCounts`. Precondition: the node is one of a graph that `Verifier` accepts.
    public var parameters: [Parameter] {
        switch operation {
        case .convolution(let convolution): return parameters(of: convolution)
        case .batchNorm(let norm):
            func parameter(_ suffix: String, _ role: ParameterRole, _ start: Initialization) -> Parameter {
                Parameter(
                    name: "\(name).\(suffix)", shape: [norm.channels], role: role, initialization: start, fanIn: 0,
                    fanOut: 0)
            }
            return [
                parameter("weight", .batchNormWeight, norm.weightInitialization),
                parameter("bias", .batchNormBias, .constant(0)),
                parameter("running_mean", .runningMean, .constant(0)),
                parameter("running_var", .runningVariance, .constant(1)),
            ]
        case .affine(let channels):
            func parameter(_ suffix: String, _ role: ParameterRole, _ start: Double) -> Parameter {
                Parameter(
                    name: "\(name).\(suffix)", shape: [channels], role: role, initialization: .constant(start),
                    fanIn: 0,
                    fanOut: 0)
            }
            return [parameter("weight", .scale, 1), parameter("bias", .bias, 0)]
        case .linear(let linear):
            let weight = Parameter(
                name: "\(name).weight", shape: [linear.outputs, linear.inputs], role: .linearWeight,
                initialization: linear.weightInitialization, fanIn: linear.inputs, fanOut: linear.outputs)
            let bias = Parameter(
                name: "\(name).bias", shape: [linear.outputs], role: .bias, initialization: linear.biasInitialization,
                fanIn: linear.inputs, fanOut: linear.outputs)
            return linear.hasBias ? [weight, bias] : [weight]
        case .relu, .sigmoid, .swish, .maxPool, .averagePool, .globalAveragePool, .add, .scaleChannels, .shift,
            .padChannels, .stopGradient, .dropout, .dropBranch, .flatten:
            return []
        }
    }

    private func parameters(of convolution: Convolution) -> [Parameter] {
        var parameters = convolution.storedWeights.map { suffix, shape in
            // A mask's weights are stored flat: their kernel's extents are those of the dense one.
            let kernel = shape.rank == 4 ? shape : convolution.denseWeightShape
            return Parameter(
                name: "\(name).\(suffix)", shape: shape, role: .convolutionWeight,
                initialization: convolution.weightInitialization, fanIn: kernel[1] * kernel[2] * kernel[3],
                fanOut: kernel[0] * kernel[2] * kernel[3])
        }
        if convolution.hasBias {
            parameters.append(
                Parameter(
                    name: "\(name).bias", shape: [convolution.outputChannels], role: .bias,
                    initialization: convolution.biasInitialization, fanIn: parameters[0].fanIn,
                    fanOut: parameters[0].fanOut))
        }
        return parameters
    }

    /// The state-dict key of the number of batches that a batch norm has seen in training.
    public var batchCountName: String? {
        if case .batchNorm = operation { "\(name).num_batches_tracked" } else { nil }
    }
}

extension Graph {
    /// Every parameter, in the order of PyTorch's state dict.
    public var parameters: [Parameter] { nodes.flatMap(\.parameters) }
}

/// The values of a graph's parameters by state-dict key.
public struct Weights: Equatable, Sendable {
    public var tensors: [String: Tensor<Float>]
    /// `num_batches_tracked` of each batch norm; files from old PyTorch versions lack them.
    public var batchCounts: [String: Int64]

    public init(tensors: [String: Tensor<Float>] = [:], batchCounts: [String: Int64] = [:]) {
        self.tensors = tensors
        self.batchCounts = batchCounts
    }

    /// Throws `GraphError` at the first parameter of `graph` that is missing or of another shape, and where there is a
    /// tensor that the graph does not know. Precondition: `Verifier` accepts the graph.
    public func check(against graph: Graph) throws(GraphError) {
        var unknown = Set(tensors.keys)
        for node in graph.nodes {
            for parameter in node.parameters {
                guard let tensor = tensors[parameter.name] else {
                    throw GraphError(node: node.name, reason: "the weights lack \"\(parameter.name)\"")
                }
                guard tensor.shape == parameter.shape else {
                    throw GraphError(
                        node: node.name,
                        reason: "\"\(parameter.name)\" has shape \(tensor.shape), expected \(parameter.shape)")
                }
                unknown.remove(parameter.name)
            }
        }
        if let name = unknown.min() {
            throw GraphError(
                node: name, reason: "the weights hold a tensor of this name that no node of the network has")
        }
    }
}
