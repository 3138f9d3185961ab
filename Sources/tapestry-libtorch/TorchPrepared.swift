import TapestryCommandLine
import TapestryCore
import TapestryData
import TapestryRecipes
import TapestryRuntime
import TapestryTorch
import TapestryTraining

/// A network on libtorch.
struct TorchPrepared: PreparedNetwork {
    private let network: TorchNetwork
    private let precision: RunConfiguration.Precision

    init(_ model: Model, precision: RunConfiguration.Precision, device: Device) throws {
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
