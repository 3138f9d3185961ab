import TapestryCore
import TapestryRecipes

/// How fast networks run on a GPU, by its own clock.
package struct DeviceBench {
    private let device: Device
    private let libtorch: any LibtorchCommands

    /// Throws: `CommandFailure` where libtorch or the device is not there.
    init(on device: Device, threads: Int) throws {
        self.device = device
        libtorch = try Libtorch.commands(for: "bench --device cuda")
        try libtorch.start(threads: threads, device: device, deterministic: false)
    }

    func rows(_ subjects: [BenchSubject], batches: [Int], precision: RunConfiguration.Precision) throws -> [Row] {
        try subjects.flatMap { try libtorch.bench($0, batches: batches, precision: precision, on: device) }
    }

    /// How images are given to the GPU.
    package enum Procedure: String, Encodable {
        /// The network recorded once as a CUDA graph, and repeated.
        case graph
        /// 1000 single images one after the other, after 100; the best of three times.
        case published
    }

    package struct Row: Encodable {
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
        package init(
            _ subject: BenchSubject, batch: Int, _ device: String, _ form: Procedure,
            _ precision: RunConfiguration.Precision,
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
