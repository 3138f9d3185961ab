import ArgumentParser
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods

#if TAPESTRY_TORCH
import TapestryTorch
import TapestryTraining
#endif

struct Evaluate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure top-1 and top-5 accuracy and loss of models on test images.",
        usage: "tapestry evaluate MODEL... --data DIR [--arch A] [--method M] [--json] …",
        discussion: """
            Tapestry's own kernels compute, on the deployed form of each network; libtorch does with --engine torch, \
            and where a GPU or bf16 is asked for.

            One model gives its figures; several give a table, or a JSON array. A bare checkpoint, which does not know \
            its network, needs --arch, and --method where it was trained with one.

            Examples:
              tapestry evaluate runs/a/best.safetensors --data ~/cifar
              tapestry evaluate runs/*/best.safetensors --data ~/cifar --json
              tapestry evaluate weights.safetensors --arch ask/vgg16 --data ~/cifar
            """)

    @Argument(help: "Model files.", completion: .file())
    var models: [String]

    @OptionGroup(title: "Network of a bare checkpoint") var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") var dataArguments: DataArguments
    @OptionGroup(title: "Computing") var computing: ComputingArguments

    @OptionGroup var normalizationArguments: NormalizationArguments

    @Option(help: "What runs the network; by default native, and torch for what only libtorch does.")
    var engine: Engine?

    @Option(help: "Images at a time.", transform: Positive.integer)
    var batchSize = 256

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() async throws {
        guard let directory = dataArguments.data else { throw CommandFailure.missingData }
        let engine = try chosenEngine()
        let opened = try DatasetKind.open(dataArguments.dataset, directory: directory, split: .test)
        let dataset = dataArguments.limitTest.map { DatasetSubset(opened.dataset, first: $0) } ?? opened.dataset
        let budget = computing.threads.budget
        let evaluation = try evaluation(by: engine, threads: budget.count)
        Console.note(budget.line())
        var rows: [Row] = []
        for path in models {
            let model = try networkArguments.model(at: path, implied: opened.kind.networkOptions(of: dataset))
            let classifier = try ImageClassifier(Network(model, path: path), for: dataset)
            let preprocessing = try model.preprocessing(
                for: dataset, of: opened.kind, classifier: classifier, asked: normalizationArguments.normalize,
                path: path)
            let bar = ProgressBar(path, total: dataset.count, unit: "images")
            defer { bar.finish() }
            var done = 0
            let figures = try evaluation.evaluate(model, path: path, on: dataset, preprocessing: preprocessing) {
                count in
                bar.advance(by: count - done)
                done = count
            }
            rows.append(Row(model: path, figures))
        }
        try report(rows)
    }

    private func chosenEngine() throws -> Engine {
        let needsTorch = computing.device?.isProcessor == false || computing.precision == .bf16
        guard engine != .native || !needsTorch else {
            throw CommandFailure(
                .usage, "--engine native computes in fp32 on the CPU; leave out --engine, or --device and --precision")
        }
        let chosen = engine ?? (needsTorch ? .torch : .native)
        #if !TAPESTRY_TORCH
        if chosen == .torch { throw CommandFailure.needsLibtorch("evaluate") }
        #endif
        return chosen
    }

    private func evaluation(by engine: Engine, threads: Int) throws -> any ModelEvaluation {
        #if TAPESTRY_TORCH
        if engine == .torch {
            return try TorchEvaluation(
                batchSize: batchSize, threads: threads, device: computing.device ?? .cpu,
                precision: computing.precision ?? .fp32)
        }
        #endif
        return NativeEvaluation(batchSize: batchSize, threads: threads)
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

        init(model: String, _ figures: EvaluationFigures) {
            self.model = model
            top1 = figures.top1
            top5 = figures.top5
            loss = figures.loss
            images = figures.images
            seconds = figures.seconds
        }
    }
}
