import TapestryCore

#if TAPESTRY_TORCH
import TapestryTorch
#endif

/// What computes a network's class scores for single images: libtorch where this build has it, otherwise the reference
/// interpreter, which takes no library and much longer.
struct LogitsEngine {
    #if TAPESTRY_TORCH
    private let network: TorchNetwork

    init(_ model: Model) throws {
        let budget = ThreadBudget.current()
        try TorchRuntime.start(threads: budget.count)
        network = try TorchNetwork(model.graph, weights: model.weights, device: .cpu)
        summary = "computed by libtorch, threads: \(budget.count)"
    }

    /// The scores of one C x H x W input.
    func logits(of input: Tensor<Float>) throws -> [Double] {
        let images = try TorchTensor(Self.batch(input), memoryFormat: .channelsLast)
        return try Torch.withoutGradients {
            try network.logits(of: images, mode: .evaluation).host(Double.self).elements
        }
    }
    #else
    private let network: ReferenceInterpreter

    init(_ model: Model) throws {
        network = try ReferenceInterpreter(model.graph, weights: model.weights)
        summary = "computed by the reference interpreter, slowly: this build lacks libtorch, which `./dev setup` gets"
    }

    /// The scores of one C x H x W input.
    func logits(of input: Tensor<Float>) throws -> [Double] {
        try network(Self.batch(input).map(Double.init)).elements
    }
    #endif

    /// What computes, for a line on standard error.
    let summary: String

    private static func batch(_ input: Tensor<Float>) -> Tensor<Float> {
        input.reshaped(to: Shape([1] + input.shape.dimensions))
    }
}
