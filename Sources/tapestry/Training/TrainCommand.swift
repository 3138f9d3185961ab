#if TAPESTRY_TORCH
import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryTraining

extension Train {
    func train() async throws {
        let folder = RunFolder(path: out ?? Self.defaultFolder())
        let isResuming = resume && folder.hasRun
        if resume, !isResuming, networkArguments.arch == nil { throw RunError.noRun(folder.path) }
        let configuration = isResuming ? try resumedConfiguration(of: folder) : try newConfiguration()
        Console.note("threads: \(configuration.threads); beside them, \(loadingThreads) loading images, mostly waiting")
        let reporter = TrainingReporter()
        Interruption.listen()
        let trainer = try Trainer(
            configuration, in: folder, resuming: isResuming, loadingThreads: loadingThreads,
            isInterrupted: { Interruption.isRequested }, observer: reporter)
        switch try trainer.run() {
        case .finished(let best, let last):
            try printResult(best: best, last: last, folder: folder)
        case .interrupted(let epoch, let step):
            reporter.clear()
            throw CommandFailure(
                .interrupted,
                "interrupted at epoch \(epoch), step \(step); go on with: tapestry train --resume --out \(folder.path)")
        }
    }

    private func printResult(best: EpochMetrics, last: EpochMetrics, folder: RunFolder) throws {
        if json {
            try Console.printJSON(TrainingResult(run: folder.path, best: best, last: last))
        } else {
            try Console.print(
                """
                best top-1 \(best.testTop1.percent) (epoch \(best.epoch)), last \(last.testTop1.percent); \
                models in \(folder.path)
                """)
        }
    }

    /// A folder in runs/ that says when.
    private static func defaultFolder() -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "yyyyMMdd-HHmmss"
        return "runs/\(format.string(from: Date()))"
    }
}

// MARK: - Configurations from options

extension Train {
    private func newConfiguration() throws -> RunConfiguration {
        guard let arch = networkArguments.arch, let data = dataArguments.data else {
            throw CommandFailure(.usage, "--arch and --data are needed to start a run")
        }
        let opened = try DatasetKind.open(dataArguments.dataset, directory: data, split: .train)
        let implied = NetworkOptions(
            classes: opened.kind.classCount ?? opened.dataset.classNames.count, imageSize: opened.kind.imageSize,
            channels: opened.kind.channels)
        // Reports what is wrong with the network in terms of the options, before anything is written.
        let graph = try networkArguments.network(implied: implied).graph
        var configuration = RunConfiguration(
            architecture: arch, classes: try graph.classCount(), imageSize: graph.inputShape[1],
            channels: graph.inputShape[0], data: absolute(data), dataset: opened.kind, recipe: try chosenRecipe())
        configuration.methods = try networkArguments.methodRules()
        configuration.trainingLimit = limitTrain
        configuration.testLimit = dataArguments.limitTest
        configuration.seed = seed ?? configuration.seed
        configuration.device = computing.device.defaultValueDescription
        configuration.precision = computing.precision == .bf16 ? .bf16 : .fp32
        configuration.threads = computing.threads.budget.count
        for setting in settings { try apply(setting, to: &configuration) }
        return configuration
    }

    private func chosenRecipe() throws -> Recipe {
        var recipe = try Recipes.recipe(recipe ?? "ask")
        recipe.epochs = epochs ?? recipe.epochs
        recipe.batchSize = batchSize ?? recipe.batchSize
        recipe.learningRate = learningRate ?? recipe.learningRate
        return recipe
    }

    private func apply(_ setting: Setting, to configuration: inout RunConfiguration) throws {
        do {
            try configuration.set(setting.key, to: try ConfigurationValue.parse(setting.value, file: "--set"))
        } catch let error as SettingError {
            throw CommandFailure(.usage, "--set \(setting.defaultValueDescription): \(error)")
        }
    }

    /// The configuration that the run was started with. Options given now must agree with it.
    private func resumedConfiguration(of folder: RunFolder) throws -> RunConfiguration {
        let recorded = try RunConfiguration(readingFrom: folder.configuration)
        func compare<Value: Equatable>(_ option: String, _ recorded: Value, _ given: Value?) throws {
            guard let given, given != recorded else { return }
            throw RunError.conflict(option: option, recorded: "\(recorded)", given: "\(given)")
        }
        try compare("--arch", recorded.architecture, networkArguments.arch)
        if networkArguments.method != nil || networkArguments.methodConfig != nil {
            try compare("--method", recorded.methods, try networkArguments.methodRules())
        }
        try compare("--classes", recorded.classes, networkArguments.classes)
        try compare("--image-size", recorded.imageSize, networkArguments.imageSize)
        try compare("--channels", recorded.channels, networkArguments.channels)
        try compare("--dataset", recorded.dataset, dataArguments.dataset)
        try compare("--limit-train", recorded.trainingLimit, limitTrain.map { .some($0) })
        try compare("--limit-test", recorded.testLimit, dataArguments.limitTest.map { .some($0) })
        try compare("--epochs", recorded.recipe.epochs, epochs)
        try compare("--batch-size", recorded.recipe.batchSize, batchSize)
        try compare("--lr", recorded.recipe.learningRate, learningRate)
        try compare("--seed", recorded.seed, seed)
        try compare("--threads", recorded.threads, computing.threads.threads)
        var resumed = recorded
        for setting in settings { try apply(setting, to: &resumed) }
        try compare("--set", recorded.recipe, resumed.recipe)
        // Data may have moved.
        resumed.data = dataArguments.data.map(absolute) ?? recorded.data
        return resumed
    }

    private func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
    }
}

extension NetworkArguments {
    /// The rules of --method or --method-config.
    fileprivate func methodRules() throws -> [MethodAssignment.Rule] {
        if let methodConfig { return try MethodConfiguration.read(methodConfig).rules }
        return method.map { [MethodAssignment.Rule(pattern: "*", method: $0)] } ?? []
    }
}

private struct TrainingResult: Encodable {
    let run: String
    let best: EpochMetrics
    let last: EpochMetrics
}
#endif
