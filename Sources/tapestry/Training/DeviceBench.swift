import TapestryCore
import TapestryRuntime

#if TAPESTRY_TORCH
import TapestryTorch
import TapestryTraining
#endif

/// How fast networks run on a GPU, by its own clock.
struct DeviceBench {
    private let device: DeviceName

    /// How images are given to the GPU.
    enum Procedure: String, Encodable {
        /// The network recorded once as a CUDA graph, and repeated.
        case graph
        /// 1000 single images one after the other, after 100; the best of three times.
        case published
    }

    struct Row: Encodable {
        let model: String
        let method: String
        let batch: Int
        let device: String
        let `protocol`: Procedure
        let precision: String
        let median_ms: Double
        let p10_ms: Double
        let p90_ms: Double
        let images_per_second: Double
        let macs: Int
        let gflops: Double

        /// Times of a batch in milliseconds.
        init(
            _ subject: BenchSubject, batch: Int, _ device: String, _ form: Procedure, _ precision: Precision,
            times: [Double]
        ) {
            let sorted = times.sorted()
            func quantile(_ share: Double) -> Double { sorted[Int((Double(sorted.count - 1) * share).rounded())] }
            (model, method, self.batch) = (subject.name, subject.method, batch)
            (self.device, self.protocol, self.precision) = (device, form, precision.rawValue)
            (median_ms, p10_ms, p90_ms) = (quantile(0.5), quantile(0.1), quantile(0.9))
            images_per_second = Double(batch) / median_ms * 1e3
            macs = subject.macs
            gflops = 2 * Double(subject.macs * batch) / median_ms * 1e-6
        }
    }

    func table(_ rows: [Row], against: String?) -> String {
        var table = Table(
            ("network", .left), ("method", .left), ("batch", .right), ("protocol", .left), ("median", .right),
            ("10 % - 90 %", .right), ("images/s", .right), ("GFLOPS", .right), ("speed-up", .right))
        for row in rows {
            let rival = rows.first {
                $0.model == row.model && $0.batch == row.batch && $0.protocol == row.protocol && $0.method == against
            }
            table.append(
                row.model, row.method, "\(row.batch)", row.protocol.rawValue, "\(row.median_ms.significant(4)) ms",
                "\(row.p10_ms.significant(3)) - \(row.p90_ms.significant(3))", row.images_per_second.groupedWhole,
                row.gflops.significant(3), rival.map { ($0.median_ms / row.median_ms).decimals(2) } ?? "")
        }
        return table.text
    }
}

#if TAPESTRY_TORCH
extension DeviceBench {
    /// Throws where the device is not there.
    init(on device: DeviceName, threads: Int) throws {
        try TorchRuntime.start(threads: threads, device: device, deterministic: false)
        self.device = device
    }

    func rows(_ subjects: [BenchSubject], batches: [Int], precision: Precision) throws -> [Row] {
        guard case .cuda(let index) = device else { return [] }
        return try subjects.flatMap { subject in
            let network = try TorchNetwork(subject.model.graph, weights: subject.model.weights, device: device)
            return try batches.flatMap { batch in
                func row(_ form: Procedure, _ times: [Double]) -> Row {
                    Row(subject, batch: batch, device.description, form, precision, times: times)
                }
                let images = try images(for: network, count: batch)
                func run() throws(TorchError) {
                    do {
                        _ = try network.logits(
                            of: images, mode: .evaluation, precision: precision)
                    } catch let error as TorchError { throw error } catch {
                        throw TorchError(operation: "bench", message: "\(error)")
                    }
                }
                return try Torch.withoutGradients {
                    // Ways of computing are chosen in the first run, and clocks rise in the others.
                    for _ in 0..<20 { try run() }
                    let graph = try RecordedWork(on: index, run)
                    let times = try (0..<101).map { _ in try TorchRuntime.milliseconds(on: index, graph.replay) }
                    return [row(.graph, times)]
                        + (batch == 1 ? [row(.published, [try published(on: index, run)])] : [])
                }
            }
        }
    }

    private func images(for network: TorchNetwork, count: Int) throws -> TorchTensor {
        var stream = RandomStream(seed: 1, purpose: .measurement)
        let shape = Shape([count] + network.graph.inputShape.dimensions)
        let pixels = (0..<shape.count).map { _ in Float(stream.uniform(in: -1...1)) }
        return try TorchTensor(
            Tensor(shape: shape, elements: pixels), on: device, memoryFormat: .channelsLast)
    }

    /// Milliseconds for an image.
    private func published(on index: Int, _ run: () throws(TorchError) -> Void) throws(TorchError) -> Double {
        var best = Double.infinity
        for _ in 0..<3 {
            for _ in 0..<100 { try run() }
            let time = try TorchRuntime.milliseconds(on: index) { () throws(TorchError) in
                for _ in 0..<1000 { try run() }
            }
            best = min(best, time / 1000)
        }
        return best
    }
}
#else
extension DeviceBench {
    init(on device: DeviceName, threads: Int) throws { throw CommandFailure.needsLibtorch("bench --device cuda") }

    func rows(_ subjects: [BenchSubject], batches: [Int], precision: Precision) throws -> [Row] { [] }
}
#endif
