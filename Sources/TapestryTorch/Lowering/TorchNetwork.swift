import TapestryCore

/// A graph on a device, for training and evaluation: libtorch's operators, gradients included.
///
/// Images are N x C x H x W, channels last in memory. Not `Sendable`, as its tensors are not.
public final class TorchNetwork {
    /// A tensor that an optimiser moves.
    public struct TrainedParameter {
        /// The state-dict key; for a convolution on a support, of the kernels that stand for its stored weights.
        public let name: String
        public let role: ParameterRole
        public let value: TorchTensor
        /// What its gradient is multiplied by, to stay on the support.
        let mask: TorchTensor?
    }

    public let graph: Graph
    public let device: Device
    public private(set) var parameters: [TrainedParameter] = []
    private var positions: [String: Int] = [:]
    private var statistics: [String: TorchTensor] = [:]
    private var batchCounts: [String: Int64]
    private var realizations: [String: ConvolutionRealization] = [:]
    private let plan: Plan

    /// How convolutions on a support are computed.
    package enum Realization {
        /// As is cheapest.
        case automatic
        /// By one masked kernel each.
        case masked
        /// By windows wherever that is possible.
        case windows
    }

    /// Throws `GraphError` where the weights do not fit the graph, `TorchError` where libtorch refuses.
    public convenience init(_ graph: Graph, weights: Weights, device: Device) throws {
        try self.init(graph, weights: weights, device: device, realization: .automatic)
    }

    /// For tests and measurements, which compare the ways in which a convolution can be computed.
    package init(_ graph: Graph, weights: Weights, device: Device, realization: Realization) throws {
        try Verifier.verify(graph)
        try weights.check(against: graph)
        self.graph = graph
        self.device = device
        plan = Plan(graph)
        batchCounts = weights.batchCounts
        for (node, shape) in zip(graph.nodes, try graph.outputShapes()) {
            if case .convolution(let convolution) = node.operation {
                realizations[node.name] =
                    switch realization {
                    case .automatic:
                        ConvolutionRealization(
                            cheapestFor: convolution, outputSize: Size(height: shape[1], width: shape[2]), on: device)
                    case .masked: ConvolutionRealization(masked: convolution)
                    case .windows:
                        ConvolutionRealization(windowsOf: convolution) ?? ConvolutionRealization(masked: convolution)
                    }
            }
            try place(node, weights)
        }
    }

    private func place(_ node: Node, _ weights: Weights) throws {
        var parameters = node.parameters
        if let realization = realizations[node.name] {
            let stored = parameters.filter { $0.role == .convolutionWeight }.map { weights.tensors[$0.name]! }
            let mask = try realization.mask.map { mask in
                try TorchTensor(mask, on: device, memoryFormat: .channelsLast)
            }
            for (piece, kernel) in realization.kernels(from: stored).enumerated() {
                // Of one channel both layouts are the same memory; see `ConvolutionRealization.run` for the difference.
                let format = kernel.shape[1] == 1 ? MemoryFormat.contiguous : .channelsLast
                try append(
                    realization.parameterName(of: piece, in: node.name), .convolutionWeight, kernel, mask: mask,
                    memoryFormat: format)
            }
            parameters.removeAll { $0.role == .convolutionWeight }
        }
        for parameter in parameters {
            let value = weights.tensors[parameter.name]!
            if parameter.role.isTrainable {
                try append(parameter.name, parameter.role, value)
            } else {
                statistics[parameter.name] = try TorchTensor(value, on: device)
            }
        }
    }

    private func append(
        _ name: String, _ role: ParameterRole, _ value: Tensor<Float>, mask: TorchTensor? = nil,
        memoryFormat: MemoryFormat = .contiguous
    ) throws {
        let tensor = try TorchTensor(value, on: device, memoryFormat: memoryFormat)
        try tensor.setRequiresGrad(true)
        positions[name] = parameters.count
        parameters.append(TrainedParameter(name: name, role: role, value: tensor, mask: mask))
    }

    /// The values of all parameters and running statistics now, as a model stores them: waits for the device.
    public func weights() throws(TorchError) -> Weights {
        var values: [String: Tensor<Float>] = [:]
        for parameter in parameters { values[parameter.name] = try parameter.value.host() }
        var weights = Weights(tensors: gathered(values), batchCounts: batchCounts)
        for (name, tensor) in statistics { weights.tensors[name] = try tensor.host() }
        return weights
    }

    /// The gradients that `backward` left, as a model would store them; zero where there is none. Waits for the device.
    public func gradients() throws(TorchError) -> [String: Tensor<Float>] {
        var values: [String: Tensor<Float>] = [:]
        for parameter in parameters {
            let zeros = Tensor<Float>(shape: parameter.value.shape, repeating: 0)
            values[parameter.name] = try parameter.value.grad?.host() ?? zeros
        }
        return gathered(values)
    }

    /// Values of parameters, by their names here, as a model stores them: those of a convolution's kernels become those
    /// of its stored weights. A scalar stands for all of a convolution's. Other names stay as they are.
    ///
    /// What is saved in this form can be loaded whatever way of computing a convolution is chosen then.
    public func gathered(_ values: [String: Tensor<Float>]) -> [String: Tensor<Float>] {
        var stored = values
        for (node, realization) in realizations {
            let names = realization.pieces.indices.map { realization.parameterName(of: $0, in: node) }
            let kernels = names.compactMap { values[$0] }
            guard kernels.count == names.count else { continue }
            for name in names { stored[name] = nil }
            let pieces =
                kernels[0].shape.rank == 0
                ? realization.convolution.storedWeights.map { _ in kernels[0] }
                : realization.storedWeights(from: kernels)
            for (piece, tensor) in zip(realization.convolution.storedWeights, pieces) {
                stored["\(node).\(piece.suffix)"] = tensor
            }
        }
        return stored
    }

    /// The reverse of `gathered(_:)`. Throws `GraphError` naming the convolution whose weights' values have other shapes.
    public func scattered(_ stored: [String: Tensor<Float>]) throws(GraphError) -> [String: Tensor<Float>] {
        var values = stored
        for (node, realization) in realizations {
            let pieces = realization.convolution.storedWeights
            let tensors = pieces.compactMap { stored["\(node).\($0.suffix)"] }
            guard tensors.count == pieces.count else { continue }
            for piece in pieces { values["\(node).\(piece.suffix)"] = nil }
            let isScalar = tensors[0].shape.rank == 0
            guard isScalar || tensors.map(\.shape) == pieces.map(\.shape) else {
                throw GraphError(node: node, reason: "values of its weights have other shapes than the weights")
            }
            let kernels =
                isScalar ? realization.pieces.map { _ in tensors[0] } : realization.kernels(from: tensors)
            for (piece, kernel) in kernels.enumerated() {
                values[realization.parameterName(of: piece, in: node)] = kernel
            }
        }
        return values
    }

    private func value(_ name: String) -> TorchTensor { parameters[positions[name]!].value }

    private func kernels(of name: String, _ realization: ConvolutionRealization) -> [TorchTensor] {
        realization.pieces.indices.map { value(realization.parameterName(of: $0, in: name)) }
    }

    public var namedParameters: [NamedTensor] { parameters.map { NamedTensor(name: $0.name, tensor: $0.value) } }

    /// Batch norms' running means and variances, by state-dict key.
    public var namedStatistics: [NamedTensor] {
        graph.parameters.compactMap { parameter in
            statistics[parameter.name].map { NamedTensor(name: parameter.name, tensor: $0) }
        }
    }

    /// Multiplies gradients by the masks of their supports: after `backward`, before anything reads a gradient.
    public func maskGradients() throws(TorchError) {
        let masked = parameters.compactMap { parameter in
            parameter.mask.flatMap { mask in parameter.value.grad.map { (gradient: $0, mask: mask) } }
        }
        guard !masked.isEmpty else { return }
        try TorchTensor.multiplyInPlace(masked.map(\.gradient), by: masked.map(\.mask))
    }
}

// MARK: - Running

extension TorchNetwork {
    /// What batch norms do.
    public enum Mode {
        /// Normalise with the running statistics.
        case evaluation
        /// Normalise with the batch's, and move the running ones.
        case training
        /// Normalise with the batch's, and leave the running ones alone.
        case inspection
    }

    /// The logits, N x classes, of N x C x H x W images.
    public func logits(of images: TorchTensor, mode: Mode) throws(TorchError) -> TorchTensor {
        try run(images, mode) { _, _ throws(TorchError) in true }
    }

    /// The name of the first node with a parameter, or a value for `images`, that is infinite or NaN; nil if none is.
    public func firstNonFiniteNode(for images: TorchTensor, mode: Mode = .inspection) throws(TorchError) -> String? {
        var name: String?
        _ = try run(images, mode) { node, value throws(TorchError) in
            var isFinite = try value.isFinite()
            for parameter in parameters where parameter.name.hasPrefix("\(node.name).") && isFinite {
                isFinite = try parameter.value.isFinite()
            }
            if !isFinite { name = node.name }
            return isFinite
        }
        return name
    }

    /// Runs the nodes in order until `goesOn` says no to a node's value; the last value made is returned.
    private func run(
        _ images: TorchTensor, _ mode: Mode, goesOn: (Node, TorchTensor) throws(TorchError) -> Bool
    ) throws(TorchError) -> TorchTensor {
        var values: [TorchTensor?] = [images] + Array(repeating: nil, count: graph.nodes.count)
        for (index, node) in graph.nodes.enumerated() {
            let inputs = plan.inputs[index].map { values[$0]! }
            let value = try self.value(of: node, inputs, mode)
            guard try goesOn(node, value) else { return value }
            values[index + 1] = value
            for position in plan.inputs[index] where plan.lastUses[position] == index { values[position] = nil }
        }
        return values[plan.output]!
    }

    private func value(of node: Node, _ inputs: [TorchTensor], _ mode: Mode) throws(TorchError) -> TorchTensor {
        let x = inputs[0]
        switch node.operation {
        case .convolution(let convolution):
            let realization = realizations[node.name]!
            return try realization(
                x, kernels: kernels(of: node.name, realization),
                bias: convolution.hasBias ? value("\(node.name).bias") : nil)
        case .batchNorm(let norm): return try normalize(x, norm, named: node.name, mode)
        case .linear(let linear):
            return try x.linear(
                weight: value("\(node.name).weight"), bias: linear.hasBias ? value("\(node.name).bias") : nil)
        case .relu: return try x.relu()
        case .maxPool(let pooling):
            return try x.maxPool2d(
                kernel: pooling.kernel.extents, stride: pooling.stride.extents,
                padding: [pooling.padding.top, pooling.padding.left])
        case .averagePool(let pooling):
            return try x.avgPool2d(
                kernel: pooling.kernel.extents, stride: pooling.stride.extents,
                padding: [pooling.padding.top, pooling.padding.left])
        case .globalAveragePool:
            // As the published networks have it, whose sums a mean would round in another order.
            return try x.avgPool2d(kernel: [x.shape[2], x.shape[3]], stride: [1, 1]).flattened()
        case .add: return try x.add(inputs[1])
        case .padChannels(let before, let after): return try x.constantPad([(before, after), (0, 0), (0, 0)])
        case .stopGradient: return try x.detached()
        case .flatten: return try x.flattened()
        }
    }

    private func normalize(
        _ x: TorchTensor, _ norm: BatchNorm, named name: String, _ mode: Mode
    ) throws(TorchError) -> TorchTensor {
        if mode == .training { batchCounts["\(name).num_batches_tracked", default: 0] += 1 }
        return try x.batchNorm(
            weight: value("\(name).weight"), bias: value("\(name).bias"),
            runningMean: mode == .inspection ? nil : statistics["\(name).running_mean"],
            runningVariance: mode == .inspection ? nil : statistics["\(name).running_var"],
            training: mode != .evaluation, momentum: norm.momentum, epsilon: norm.epsilon)
    }
}

/// Which value goes where: value 0 is the network's input, value i + 1 that of node i.
private struct Plan {
    /// For each node, the values it takes.
    let inputs: [[Int]]
    /// For each value, the last node that takes it, after which its memory can go.
    let lastUses: [Int]
    let output: Int

    init(_ graph: Graph) {
        var positions = [Graph.inputName: 0]
        for (index, node) in graph.nodes.enumerated() { positions[node.name] = index + 1 }
        inputs = graph.nodes.map { $0.inputs.map { positions[$0]! } }
        output = positions[graph.outputName]!
        var uses = Array(repeating: -1, count: graph.nodes.count + 1)
        for (index, taken) in inputs.enumerated() {
            for position in taken { uses[position] = index }
        }
        lastUses = uses
    }
}

extension Size {
    fileprivate var extents: [Int] { [height, width] }
}
