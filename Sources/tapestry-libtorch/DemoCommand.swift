import TapestryCommandLine
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes
import TapestryRewrites
import TapestryTraining

extension Demo {
    private static let architecture = "ask/resnet20"
    private static let methods = ["dense", "ask:ASK_5a"]
    private static let packagedData = "/usr/share/datasets/fashion-mnist"

    func demonstrate() throws {
        let directory = DataArguments.absolute(data ?? Self.packagedData)
        Interruption.listen()
        var rows: [Row] = []
        for method in Self.methods {
            let configuration = configuration(method: method, data: directory)
            let folder = RunFolder(path: "\(out)/\(method.replacing(":", with: "-"))")
            rows.append(try row(method, try run(configuration, in: folder), configuration))
        }
        try report(rows)
    }

    /// A recipe that is good after minutes: one cycle of a cosine on two thirds of the images, flipped but not cropped.
    private func configuration(method: String, data: String) -> RunConfiguration {
        var recipe = Recipes.ask.recipe
        recipe.epochs = 2
        recipe.schedule = .cosine
        recipe.scheduleUnit = .step
        recipe.warmUpEpochs = 0.2
        recipe.cropPadding = 0
        var configuration = RunConfiguration(
            architecture: Self.architecture, classes: 10, imageSize: 28, channels: 1, data: data,
            dataset: .fashionMNIST, recipe: recipe)
        configuration.methods = [MethodAssignment.Rule(pattern: "*", method: method)]
        configuration.trainingLimit = 40_000
        computing.apply(to: &configuration)
        configuration.threads = computing.threads.budget.count
        return configuration
    }

    /// Trains, or goes on with, or reuses what an earlier demo left.
    private func run(
        _ configuration: RunConfiguration, in folder: RunFolder
    ) throws -> (last: EpochMetrics, trainSeconds: Double) {
        var configuration = configuration
        var budget = computing.threads.budget
        if folder.hasRun {
            let recorded = try RunConfiguration(readingFrom: folder.configuration)
            // The data may have moved; and a run keeps to its threads, on which its last bits depend.
            configuration.threads = recorded.threads
            budget = ThreadBudget(recorded: recorded.threads)
            var comparable = recorded
            comparable.data = configuration.data
            guard comparable == configuration else {
                throw CommandFailure(
                    .usage, "\(folder.path) holds a run of other settings; remove it, or pass another --out")
            }
        }
        Console.note(budget.line())
        if let advice = configuration.precisionAdvice { Console.note(advice) }
        let reporter = TrainingReporter()
        let trainer = try Trainer(
            configuration, in: folder, resuming: folder.hasRun, isInterrupted: { Interruption.isRequested },
            observer: reporter)
        switch try trainer.run() {
        case .finished(_, let last):
            return (last, try folder.readMetrics().reduce(0) { $0 + ($1.training?.seconds ?? 0) })
        case .interrupted:
            reporter.clear()
            throw CommandFailure(.interrupted, "interrupted; run the demo again to go on where it stopped")
        }
    }

    private func row(
        _ method: String, _ result: (last: EpochMetrics, trainSeconds: Double), _ configuration: RunConfiguration
    ) throws -> Row {
        // The recipe tests after every epoch.
        guard let training = result.last.training, let test = result.last.test else {
            throw CommandFailure(.badData, "the record of the demo lacks figures; remove it and run the demo again")
        }
        let count = try Count(try configuration.graph())
        return Row(
            network: Self.architecture, method: method, parameters: count.parameters, macs: count.macs,
            top1: test.top1, imagesPerSecond: training.imagesPerSecond,
            trainSeconds: result.trainSeconds)
    }

    private func report(_ rows: [Row]) throws {
        if json { return try Console.printJSON(rows) }
        var table = Table(
            ("network", .left), ("method", .left), ("parameters", .right), ("multiply-adds", .right),
            ("top-1", .right), ("images/s", .right), ("training", .right))
        for row in rows {
            table.append(
                row.network, row.method, row.parameters.grouped, row.macs.grouped, row.top1.percent,
                row.imagesPerSecond.groupedWhole, ProgressBar.duration(row.trainSeconds))
        }
        try Console.print(table.text)
    }

    private struct Row: Encodable {
        let network: String
        let method: String
        let parameters: Int
        let macs: Int
        /// In per cent.
        let top1: Double
        /// Of training.
        let imagesPerSecond: Double
        let trainSeconds: Double
    }
}
