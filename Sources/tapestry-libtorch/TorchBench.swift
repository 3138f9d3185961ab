import TapestryCommandLine
import TapestryCore
import TapestryRecipes
import TapestryTorch
import TapestryTraining

/// How fast libtorch runs a network on a GPU, by the GPU's own clock.
struct TorchBench {
    private let subject: BenchSubject
    private let network: TorchNetwork
    private let device: Device
    private let precision: RunConfiguration.Precision

    init(_ subject: BenchSubject, precision: RunConfiguration.Precision, on device: Device) throws {
        self.subject = subject
        self.device = device
        self.precision = precision
        network = try TorchNetwork(subject.model.graph, weights: subject.model.weights, device: device)
    }

    func rows(batches: [Int]) throws -> [DeviceBench.Row] {
        guard case .cuda(let index) = device else { return [] }
        return try batches.flatMap { batch in
            let images = try images(count: batch)
            return try Torch.withoutGradients {
                // Ways of computing are chosen in the first run, and clocks rise in the others.
                for _ in 0..<20 { try run(images) }
                let graph = try RecordedWork(on: index) { () throws(TorchError) in try run(images) }
                let times = try (0..<101).map { _ in try TorchRuntime.milliseconds(on: index, graph.replay) }
                return [row(batch, .graph, times)]
                    + (batch == 1 ? [row(batch, .published, [try published(images, on: index)])] : [])
            }
        }
    }

    private func row(_ batch: Int, _ form: DeviceBench.Procedure, _ times: [Double]) -> DeviceBench.Row {
        DeviceBench.Row(subject, batch: batch, device.description, form, precision, times: times)
    }

    private func run(_ images: TorchTensor) throws(TorchError) {
        do {
            _ = try network.logits(of: images, mode: .evaluation, precision: precision)
        } catch let error as TorchError { throw error } catch {
            throw TorchError(operation: "bench", message: "\(error)")
        }
    }

    private func images(count: Int) throws -> TorchTensor {
        var stream = RandomStream(seed: 1, purpose: .measurement)
        let shape = Shape([count] + network.graph.inputShape.dimensions)
        let pixels = (0..<shape.count).map { _ in Float(stream.uniform(in: -1...1)) }
        return try TorchTensor(
            Tensor(shape: shape, elements: pixels), on: device, memoryFormat: .channelsLast)
    }

    /// Milliseconds for an image.
    private func published(_ images: TorchTensor, on index: Int) throws(TorchError) -> Double {
        var best = Double.infinity
        for _ in 0..<3 {
            for _ in 0..<100 { try run(images) }
            let time = try TorchRuntime.milliseconds(on: index) { () throws(TorchError) in
                for _ in 0..<1000 { try run(images) }
            }
            best = min(best, time / 1000)
        }
        return best
    }
}
