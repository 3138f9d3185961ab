#if TAPESTRY_TORCH
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryTorch
import TapestryTraining

extension Validate {
    func validateModels() async throws {
        guard let directory = dataArguments.data else { throw CommandFailure.missingData }
        let opened = try DatasetKind.open(dataArguments.dataset, directory: directory, split: .test)
        let dataset = dataArguments.limitTest.map { DatasetSubset(opened.dataset, first: $0) } ?? opened.dataset
        let device = computing.device ?? .cpu
        let budget = computing.threads.budget
        try TorchRuntime.start(threads: budget.count, device: device)
        Console.note(budget.line())
        let implied = opened.kind.networkOptions(of: dataset)
        let a = try model(at: modelA, implied: implied)
        let b = try model(at: modelB, implied: implied)
        guard a.graph.inputShape == b.graph.inputShape, try a.graph.classCount() == b.graph.classCount() else {
            throw CommandFailure(
                .usage, "\(modelA) and \(modelB) take other images or tell other numbers of classes apart")
        }
        // A network converted to another form may no longer say how its images are prepared; the first one then does.
        let classifier = try ImageClassifier(Network(a, path: modelA), for: dataset)
        let preprocessing = try a.preprocessing(
            for: dataset, of: opened.kind, classifier: classifier, asked: normalizationArguments.normalize,
            path: modelA)
        let bar = ProgressBar("validating", total: dataset.count, unit: "images")
        defer { bar.finish() }
        var done = 0
        let comparison = try Evaluator(
            dataset, preprocessing: preprocessing, batchSize: batchSize, precision: computing.precision ?? .fp32
        ).compare(
            TorchNetwork(a.graph, weights: a.weights, device: device),
            TorchNetwork(b.graph, weights: b.weights, device: device)
        ) { count in
            bar.advance(by: count - done)
            done = count
        }
        bar.finish()
        try report(comparison)
    }

    /// --arch is for weights alone: a model file has its own network.
    private func model(at path: String, implied: NetworkOptions) throws -> Model {
        if networkArguments.arch != nil, try ModelFile.isModel(Checkpoint.read(path)) {
            return try NetworkArguments.selfDescribingModel(at: path)
        }
        return try networkArguments.model(at: path, implied: implied)
    }

    private func report(_ comparison: NetworkComparison) throws {
        if json { return try Console.printJSON(Document(comparison, models: [modelA, modelB])) }
        var table = Table(
            ("model", .left), ("top-1", .right), ("top-5", .right), ("loss", .right), ("images/s", .right))
        for (path, result) in [(modelA, comparison.a), (modelB, comparison.b)] {
            table.append(
                path, result.top1.percent, result.top5.percent, result.loss.decimals(4),
                (Double(result.images) / max(result.seconds, 1e-9)).groupedWhole)
        }
        try Console.print(
            table.text + "\nOf \(comparison.a.images.grouped) images both say the same class of "
                + "\(comparison.agreement.percent); logits differ by at most "
                + "\(comparison.largestDifference.significant(3)), the largest being "
                + "\(comparison.largestLogit.significant(3))")
    }

    private struct Document: Encodable {
        struct Side: Encodable {
            let model: String
            let top1: Double
            let top5: Double
            let loss: Double
            let seconds: Double
        }

        let models: [Side]
        let images: Int
        let agreement: Double
        let largestDifference: Double
        let largestLogit: Double

        enum CodingKeys: String, CodingKey {
            case models, images, agreement
            case largestDifference = "largest_difference"
            case largestLogit = "largest_logit"
        }

        init(_ comparison: NetworkComparison, models paths: [String]) {
            models = zip(paths, [comparison.a, comparison.b]).map {
                Side(model: $0, top1: $1.top1, top5: $1.top5, loss: $1.loss, seconds: $1.seconds)
            }
            images = comparison.a.images
            agreement = comparison.agreement
            largestDifference = comparison.largestDifference
            largestLogit = comparison.largestLogit
        }
    }
}
#endif
