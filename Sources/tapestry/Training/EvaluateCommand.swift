#if TAPESTRY_TORCH
import TapestryCore
import TapestryData
import TapestryTorch
import TapestryTraining

/// Evaluation by libtorch.
struct TorchEvaluation: ModelEvaluation {
    private let batchSize: Int
    private let device: Device
    private let precision: Precision

    /// Throws: what libtorch throws where the device is not there.
    init(batchSize: Int, threads: Int, device: Device, precision: Precision) throws {
        (self.batchSize, self.device, self.precision) = (batchSize, device, precision)
        try TorchRuntime.start(threads: threads, device: device)
    }

    func evaluate(
        _ model: Model, path: String, on dataset: any ImageDataset, preprocessing: Preprocessing,
        advance: (Int) throws -> Void
    ) throws -> EvaluationFigures {
        let network = try TorchNetwork(model.graph, weights: model.weights, device: device)
        do {
            let result = try Evaluator(
                dataset, preprocessing: preprocessing, batchSize: batchSize, precision: precision
            ).evaluate(network, advance: advance)
            return EvaluationFigures(
                top1: result.top1, top5: result.top5, loss: result.loss, images: result.images, seconds: result.seconds)
        } catch let error as LossNotFinite {
            throw CommandFailure.logitsNotFinite(path, node: error.node)
        }
    }
}
#endif
