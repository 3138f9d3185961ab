#if TAPESTRY_TORCH
import TapestryCore
import TapestryData
import TapestryTorch
import TapestryTraining

/// A network on libtorch.
struct TorchPrepared: PreparedNetwork {
    private let network: TorchNetwork
    private let precision: Precision

    init(_ model: Model, precision: Precision, device: Device) throws {
        network = try TorchNetwork(model.graph, weights: model.weights, device: device, engine: .torch)
        self.precision = precision
    }

    func logits(of batch: Batch) throws -> [Double] {
        try Torch.withoutGradients {
            let images = try batch.imageTensor(on: network.device)
            return try network.logits(of: images, mode: .evaluation, precision: precision).host(Double.self).elements
        }
    }
}
#endif
