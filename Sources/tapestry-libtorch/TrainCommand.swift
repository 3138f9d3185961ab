import TapestryCommandLine
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes
import TapestryTraining

extension Train {
    func train() throws { try Processes.with(runArguments, computing, train) }

    private func train(with processes: Processes) throws {
        let folder = RunFolder(path: runArguments.folder)
        let run = try processes.agree { try decide(in: folder) }
        let budget = threadBudget(of: run.configuration, isResuming: run.isResuming)
        processes.note(budget.line(loading: runArguments.loadingThreads))
        if let advice = run.configuration.precisionAdvice { processes.note(advice) }
        let reporter = TrainingReporter()
        Interruption.listen()
        let trainer = try Trainer(
            run.configuration, in: folder, resuming: run.isResuming, group: processes.group,
            loadingThreads: runArguments.loadingThreads, isInterrupted: { Interruption.isRequested },
            observer: processes.isFirst ? reporter : nil)
        switch try trainer.run() {
        case .finished(let best, let last):
            if processes.isFirst { try printResult(best: best, last: last, folder: folder) }
        case .interrupted(let epoch, let step):
            reporter.clear()
            throw processes.interruption(
                "interrupted at epoch \(epoch), step \(step); go on with: tapestry train --resume --out \(folder.path)")
        }
    }

    /// With --resume a run that is there is gone on with, and one that is not is begun.
    private func decide(in folder: RunFolder) throws -> RunDecision {
        guard runArguments.resume, folder.hasRun else {
            if runArguments.resume, networkArguments.arch == nil { throw RunError.noRun(folder.path) }
            return RunDecision(try newConfiguration(), isResuming: false)
        }
        return RunDecision(try resumedConfiguration(of: folder), isResuming: true)
    }

    private func printResult(best: EpochMetrics, last: EpochMetrics, folder: RunFolder) throws {
        if runArguments.json {
            try Console.printJSON(TrainingResult(run: folder.path, best: best, last: last))
        } else {
            try Console.print(
                """
                best top-1 \(best.top1) (epoch \(best.epoch)), last \(last.top1); \
                models in \(folder.path)
                """)
        }
    }
}

// MARK: - Configurations from options

extension Train {
    func newConfiguration() throws -> RunConfiguration {
        guard let arch = networkArguments.arch else { throw CommandFailure.missingArchitecture }
        guard let data = dataArguments.data else { throw CommandFailure.missingData }
        let recipe = try Recipes.recipe(recipeArguments.recipe, forArchitecture: arch)
        let opened = try DatasetKind.open(dataArguments.dataset, directory: data, split: .train)
        // Reports what is wrong with the network in terms of the options, before anything is written.
        let network = try networkArguments.network(implied: opened.kind.networkOptions(of: opened.dataset))
        let classifier = try ImageClassifier(network, for: opened.dataset)
        var configuration = RunConfiguration(
            architecture: arch, classes: classifier.classes, imageSize: classifier.imageSize,
            channels: classifier.channels, data: data, dataset: opened.kind, recipe: recipe.recipe)
        configuration.seed = recipe.seed
        configuration.threads = computing.threads.budget.count
        configuration.variant = try networkArguments.variant.options()
        try apply(to: &configuration)
        return configuration
    }

    /// The configuration that the run was started with, with which options given now must agree.
    private func resumedConfiguration(of folder: RunFolder) throws -> RunConfiguration {
        let recorded = try RunConfiguration(readingFrom: folder.configuration)
        var asked = recorded
        asked.architecture = networkArguments.arch ?? recorded.architecture
        asked.classes = networkArguments.classes ?? recorded.classes
        asked.imageSize = networkArguments.imageSize ?? recorded.imageSize
        asked.channels = networkArguments.channels ?? recorded.channels
        let variant = try networkArguments.variant.options()
        if variant != NetworkOptions() { asked.variant = variant }
        asked.dataset = dataArguments.dataset ?? recorded.dataset
        asked.threads = computing.threads.threads ?? recorded.threads
        if let recipe = recipeArguments.recipe {
            asked.recipe = try Recipes.recipe(recipe, forArchitecture: asked.architecture).recipe
        }
        try apply(to: &asked)
        var resumed = recorded
        // The data may have moved, and how many images may be unreadable changes no result.
        resumed.data = asked.data
        resumed.unreadableLimit = asked.unreadableLimit
        if let difference = asked.firstDifference(from: resumed) {
            throw RunError.conflict(
                setting: difference.key, recorded: difference.theirs, given: difference.ours)
        }
        return resumed
    }

    /// Puts the options that were given in the place of what the configuration says.
    private func apply(to configuration: inout RunConfiguration) throws {
        if let assignment = try networkArguments.assignment() { configuration.methods = assignment.rules }
        if let data = dataArguments.data {
            configuration.data = DataArguments.absolute(data)
        }
        configuration.trainingLimit = runArguments.limitTrain ?? configuration.trainingLimit
        configuration.testLimit = dataArguments.limitTest ?? configuration.testLimit
        configuration.unreadableLimit = dataArguments.limitUnreadable ?? configuration.unreadableLimit
        computing.apply(to: &configuration)
        try recipeArguments.apply(to: &configuration)
    }

    /// A resumed run keeps to the number that it was started with, on which its last bits depend.
    private func threadBudget(of configuration: RunConfiguration, isResuming: Bool) -> ThreadBudget {
        isResuming ? ThreadBudget(recorded: configuration.threads) : computing.threads.budget
    }
}

extension RunConfiguration {
    /// What to know before a run whose precision this processor has no arithmetic for.
    var precisionAdvice: String? {
        guard precision == .bf16, device == "cpu", !Processor.current.hasBFloat16 else { return nil }
        return "bf16: this processor has no bf16 arithmetic, so --precision fp32 may be faster here"
    }
}

extension ComputingArguments {
    /// Puts --device and --precision, where given, in the place of what the configuration says.
    func apply(to configuration: inout RunConfiguration) {
        configuration.device = device?.description ?? configuration.device
        configuration.precision = precision ?? configuration.precision
    }
}

extension EpochMetrics {
    /// Of the test after it, for people.
    fileprivate var top1: String { test?.top1.percent ?? "none" }
}

private struct TrainingResult: Encodable {
    let run: String
    let best: EpochMetrics
    let last: EpochMetrics
}
