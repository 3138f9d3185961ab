import TapestryCommandLine
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes
import TapestryTraining

/// Runs that differ in some settings, one after the other: each in a folder of its own within the grid's, or in the
/// grid's folder where there is only one.
struct RunGrid {
    struct Cell {
        /// Of its folder: `c0.3-l0.15`.
        let name: String
        let configuration: RunConfiguration
        /// Reads what the run starts from, once those before it have ended.
        var model: (() throws -> Model)?
    }

    struct Result {
        let cell: Cell
        let folder: RunFolder
        let best: EpochMetrics
        let last: EpochMetrics

        /// Of the test images in per cent, at the best epoch.
        var top1: Double { best.test?.top1 ?? 0 }

        /// Whether the accuracy is the one that was asked for; false where none was.
        var hasReachedTarget: Bool { cell.configuration.recipe.targetAccuracy.map { top1 >= $0 } ?? false }
    }

    let folder: String
    let cells: [Cell]
    let arguments: RunArguments
    let budget: ThreadBudget
    let processes: Processes

    func folder(of cell: Cell) -> RunFolder { RunFolder(path: cells.count == 1 ? folder : "\(folder)/\(cell.name)") }

    /// Runs the cells that have not been finished before; those after a result that `isEnough` are left out.
    ///
    /// Throws: `RunError.alreadyExists` before anything is done where a cell has been begun and --resume is not given,
    /// `RunError.conflict` where it was begun with other settings; `CommandFailure` when it is interrupted.
    func run(until isEnough: (Result) -> Bool = { _ in false }) throws -> [Result] {
        if processes.isFirst, !arguments.resume, let begun = cells.map(folder(of:)).first(where: \.hasRun) {
            throw RunError.alreadyExists(begun.path)
        }
        Interruption.listen()
        var results: [Result] = []
        for (number, cell) in cells.enumerated() {
            if cells.count > 1 { processes.note("run \(number + 1) of \(cells.count): \(cell.name)") }
            let result = try run(cell)
            results.append(result)
            if isEnough(result) { break }
        }
        return results
    }

    private func run(_ cell: Cell) throws -> Result {
        let folder = folder(of: cell)
        let run = try processes.agree {
            folder.hasRun
                ? RunDecision(try resumed(cell, in: folder), isResuming: true)
                : RunDecision(cell.configuration, isResuming: false)
        }
        let budget = run.isResuming ? ThreadBudget(recorded: run.configuration.threads) : self.budget
        processes.note(budget.line(loading: arguments.loadingThreads))
        if let advice = run.configuration.precisionAdvice { processes.note(advice) }
        let reporter = TrainingReporter()
        let trainer = try Trainer(
            run.configuration, in: folder, resuming: run.isResuming, startingFrom: cell.model, group: processes.group,
            loadingThreads: arguments.loadingThreads, isInterrupted: { Interruption.isRequested },
            observer: processes.isFirst ? reporter : nil)
        switch try trainer.run() {
        case .finished(let best, let last): return Result(cell: cell, folder: folder, best: best, last: last)
        case .interrupted(let epoch, let step):
            reporter.clear()
            throw processes.interruption(
                "interrupted at epoch \(epoch), step \(step) of \(folder.path); go on with the same command and --resume"
            )
        }
    }

    /// What the cell was begun with, with which what is asked for now must agree; the data may have moved, and how many
    /// images may be unreadable changes no result.
    private func resumed(_ cell: Cell, in folder: RunFolder) throws -> RunConfiguration {
        var recorded = try RunConfiguration(readingFrom: folder.configuration)
        recorded.data = cell.configuration.data
        recorded.unreadableLimit = cell.configuration.unreadableLimit
        var asked = cell.configuration
        asked.threads = recorded.threads
        if let difference = asked.firstDifference(from: recorded) {
            throw RunError.conflict(setting: difference.key, recorded: difference.theirs, given: difference.ours)
        }
        return recorded
    }
}

extension RunConfiguration {
    /// A run that starts from a model's network and weights.
    ///
    /// Throws: `CommandFailure` where the network is none for the images.
    init(
        startingFrom model: Model, path: String, data: DataArguments, computing: ComputingArguments,
        recipe: (_ architecture: String) throws -> NamedRecipe
    ) throws {
        guard let directory = data.data else { throw CommandFailure.missingData }
        let opened = try DatasetKind.open(data.dataset, directory: directory, split: .train)
        let classifier = try ImageClassifier(Network(model, path: path), for: opened.dataset)
        let architecture = model.facts["architecture"] ?? DataArguments.absolute(path)
        let named = try recipe(architecture)
        self.init(
            architecture: architecture, classes: classifier.classes, imageSize: classifier.imageSize,
            channels: classifier.channels, data: DataArguments.absolute(directory), dataset: opened.kind,
            recipe: named.recipe)
        methods = MethodAssignment(text: model.facts["method"] ?? "dense")?.rules ?? []
        self.model = DataArguments.absolute(path)
        seed = named.seed
        threads = computing.threads.budget.count
        testLimit = data.limitTest
        unreadableLimit = data.limitUnreadable
        computing.apply(to: &self)
        // How images become the model's inputs is the model's own.
        if let normalization = model.facts["normalization"] { self.recipe.normalization = normalization }
    }
}
