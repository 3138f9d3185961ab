import TapestryCore
import TapestryRuntime

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
        /// One where a weight of the support is and zero elsewhere, by which its gradient is multiplied; nil where all
        /// of it is on the support.
        public let mask: TorchTensor?
    }

    public let graph: Graph
    public let device: Device
    public private(set) var parameters: [TrainedParameter] = []
    private(set) var positions: [String: Int] = [:]
    private(set) var statistics: [String: TorchTensor] = [:]
    /// The kernels of the depthwise convolutions by which channels are moved: a one at each channel's tap.
    private(set) var displacements: [String: TorchTensor] = [:]
    var batchCounts: [String: Int64]
    /// The processes over whose images batch norms in training take mean and variance; nil for this one's alone.
    public var batchNormGroup: ProcessGroup?
    private(set) var realizations: [String: ConvolutionRealization] = [:]
    let plan: ExecutionPlan
    /// What Tapestry's own kernels compute; nil where nothing.
    let native: NativeLayers?
    /// What chooses the fastest way of each convolution; nil on the CPU, and where kernels of our own cannot be had.
    private(set) var chooser: ConvolutionChooser?

    /// How convolutions on a support are computed.
    package enum Realization {
        /// As is cheapest.
        case automatic
        /// By one masked kernel each.
        case masked
        /// By kernels smaller than the full one wherever that is possible.
        case smallKernels
    }

    /// Throws `GraphError` where the weights do not fit the graph, `TorchError` where libtorch refuses.
    public convenience init(
        _ graph: Graph, weights: Weights, device: Device, engine: TrainingEngine = .automatic
    ) throws {
        try self.init(graph, weights: weights, device: device, engine: engine, realization: .automatic)
    }

    /// For tests and measurements, which compare the ways in which libtorch can compute a convolution.
    package convenience init(_ graph: Graph, weights: Weights, device: Device, realization: Realization) throws {
        try self.init(graph, weights: weights, device: device, engine: .torch, realization: realization)
    }

    private init(
        _ graph: Graph, weights: Weights, device: Device, engine: TrainingEngine, realization: Realization
    ) throws {
        try Verifier.verify(graph)
        try weights.check(against: graph)
        self.graph = graph
        self.device = device
        plan = ExecutionPlan(graph)
        let native = device == .cpu ? try NativeLayers(graph, engine, threads: TorchRuntime.threads) : nil
        self.native = native
        batchCounts = weights.batchCounts
        if case .cuda(let index) = device {
            chooser = (try? GPUKernels(device: index)).map { ConvolutionChooser(.gpu($0)) }
        }
        for (node, shape) in zip(graph.nodes, try graph.outputShapes()) {
            if case .convolution(let convolution) = node.operation {
                let size = Size(height: shape[1], width: shape[2])
                realizations[node.name] =
                    native?.contains(node.name) == true
                    ? ConvolutionRealization(masked: convolution)
                    : ConvolutionRealization(realization, of: convolution, outputSize: size, on: device)
            }
            if let displacement = realizations[node.name]?.displacement ?? node.operation.displacement(of: shape[0]) {
                displacements[node.name] = try TorchTensor(displacement, on: device)
            }
            try place(node, weights)
        }
    }

    /// Has every convolution that CUDA kernels can compute computed by their emulation, in tiles of a shape: for tests.
    package func emulateKernels(shape: Int) { chooser = ConvolutionChooser(.emulation(shape: shape)) }

    private func place(_ node: Node, _ weights: Weights) throws {
        var parameters = node.parameters
        if let realization = realizations[node.name] {
            let stored = parameters.filter { $0.role == .convolutionWeight }.map { weights.tensors[$0.name]! }
            let masks = realization.masks
            for (piece, kernel) in realization.kernels(from: stored).enumerated() {
                // Of one channel both layouts are the same memory; see `ConvolutionRealization.convolve` for the
                // difference.
                let format = kernel.shape[1] == 1 ? MemoryFormat.contiguous : .channelsLast
                let mask = try masks[piece].map { try TorchTensor($0, on: device, memoryFormat: format) }
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

    /// The tensors that hold the weights of a convolution or a linear layer, its bias left out.
    public func weightParameters(of node: String) -> [TrainedParameter] {
        let names =
            realizations[node].map { realization in
                realization.pieces.indices.map { realization.parameterName(of: $0, in: node) }
            } ?? ["\(node).weight"]
        return names.compactMap { positions[$0] }.map { parameters[$0] }
    }

    /// Takes over the values of all parameters and running statistics. Throws `GraphError` where they do not fit.
    public func load(_ weights: Weights) throws {
        try weights.check(against: graph)
        let values = try scattered(weights.tensors)
        try Torch.withoutGradients { () throws(TorchError) in
            for parameter in parameters {
                try parameter.value.copy(from: TorchTensor(values[parameter.name]!, on: device))
            }
            for (name, tensor) in statistics { try tensor.copy(from: TorchTensor(values[name]!, on: device)) }
        }
        batchCounts = weights.batchCounts
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

    func value(_ name: String) -> TorchTensor { parameters[positions[name]!].value }

    func kernels(of name: String, _ realization: ConvolutionRealization) -> [TorchTensor] {
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

extension TorchNetwork {
    /// Whether a step of training draws random numbers.
    public var drawsRandomNumbers: Bool {
        graph.nodes.contains { node in
            switch node.operation {
            case .dropout, .dropBranch: true
            default: false
            }
        }
    }
}

extension Operation {
    /// The kernel that moves the channels of a shift; nil for other operations.
    fileprivate func displacement(of channels: Int) -> Tensor<Float>? {
        guard case .shift(let shift) = self else { return nil }
        return .displacement(to: shift.taps(channels: channels), in: .square(shift.kernel))
    }
}
