#if TAPESTRY_TORCH
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTorch
import TapestryTraining

extension Evaluate {
    func evaluate() async throws {
        guard engine == .torch else {
            throw CommandFailure(.unavailable, "--engine native is not there yet; leave it out to use libtorch")
        }
        guard let directory = dataArguments.data else { throw CommandFailure.missingData }
        let opened = try DatasetKind.open(dataArguments.dataset, directory: directory, split: .test)
        let dataset = dataArguments.limitTest.map { DatasetSubset(opened.dataset, first: $0) } ?? opened.dataset
        let budget = computing.threads.budget
        let device = computing.device ?? .cpu
        try TorchRuntime.start(threads: budget.count, device: device)
        Console.note(budget.line())
        var results: [Row] = []
        for path in models {
            let model = try networkArguments.model(at: path, implied: opened.kind.networkOptions(of: dataset))
            do {
                let result = try evaluate(model, path: path, dataset: dataset, kind: opened.kind, device: device)
                results.append(Row(model: path, result))
            } catch let error as LossNotFinite {
                throw CommandFailure(
                    .badData,
                    "\(path): its logits are not finite for these images; the first layer to go wrong is \"\(error.node)\""
                )
            }
        }
        try report(results)
    }

    private func evaluate(
        _ model: Model, path: String, dataset: any ImageDataset, kind: DatasetKind, device: Device
    ) throws -> EvaluationResult {
        let classifier = try ImageClassifier(Network(model, path: path), for: dataset)
        let preprocessing = try model.preprocessing(
            for: dataset, of: kind, classifier: classifier, asked: normalizationArguments.normalize, path: path)
        let executable = try TorchNetwork(model.graph, weights: model.weights, device: device)
        let bar = ProgressBar(path, total: dataset.count, unit: "images")
        defer { bar.finish() }
        var done = 0
        return try Evaluator(
            dataset, preprocessing: preprocessing, batchSize: batchSize,
            precision: computing.precision ?? .fp32
        ).evaluate(executable) { count in
            bar.advance(by: count - done)
            done = count
        }
    }

    private func report(_ rows: [Row]) throws {
        if json {
            if rows.count == 1 { try Console.printJSON(rows[0]) } else { try Console.printJSON(rows) }
            return
        }
        var table = Table(
            ("model", .left), ("top-1", .right), ("top-5", .right), ("loss", .right), ("images", .right),
            ("images/s", .right))
        for row in rows {
            table.append(
                row.model, row.top1.percent, row.top5.percent, row.loss.decimals(4), row.images.grouped,
                (Double(row.images) / max(row.seconds, 1e-9)).groupedWhole)
        }
        try Console.print(table.text)
    }

    private struct Row: Encodable {
        let model: String
        let top1: Double
        let top5: Double
        let loss: Double
        let images: Int
        let seconds: Double

        init(model: String, _ result: EvaluationResult) {
            self.model = model
            top1 = result.top1
            top5 = result.top5
            loss = result.loss
            images = result.images
            seconds = result.seconds
        }
    }
}
#endif
