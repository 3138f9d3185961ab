import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTorch

/// Trains one network as a configuration says, in a run folder.
///
/// The result is a function of the configuration, the build and the machine: not of the number of loading threads, nor of
/// whether and where the run was interrupted and resumed.
public final class Trainer {
    private let configuration: RunConfiguration
    private let folder: RunFolder
    /// Kept as long as the run: no other process writes to the folder meanwhile.
    private var lock: RunFolder.Lock?
    private let sampler: Sampler
    private let loadingThreads: Int
    private let isInterrupted: () -> Bool
    private weak var observer: (any TrainingObserver)?

    private let data: TrainingData
    private let step: TrainingStep
    private var position: TrainingState.Position
    private var metrics: [EpochMetrics]

    /// Prepares a new run in `folder`, or with `resuming` the one that is there.
    ///
    /// `sampler` says which share of the images this process takes; the one of rank 0 writes the files. `isInterrupted`
    /// is asked after each step. `observer` is not kept alive. Throws before anything is written where configuration,
    /// data and network do not fit one another.
    public init(
        _ configuration: RunConfiguration, in folder: RunFolder, resuming: Bool, sampler: Sampler = Sampler(),
        loadingThreads: Int = 1, isInterrupted: @escaping () -> Bool = { false },
        observer: (any TrainingObserver)? = nil
    ) throws {
        self.configuration = configuration
        self.folder = folder
        self.sampler = sampler
        self.loadingThreads = loadingThreads
        self.isInterrupted = isInterrupted
        self.observer = observer
        guard let device = Device(parsing: configuration.device) else {
            throw RunError.unsuitable("device \(configuration.device) is neither cpu nor cuda[:index]")
        }
        try TorchRuntime.start(threads: configuration.threads, device: device)
        if !resuming, folder.hasRun { throw RunError.alreadyExists(folder.path) }
        let isWriter = sampler.rank == 0
        lock = resuming && isWriter ? try folder.lock() : nil
        data = try TrainingData(configuration)
        let saved = resuming && folder.hasState ? try TrainingState(readingFrom: folder.state) : nil
        let state = try saved ?? TrainingState(startingWith: configuration, worldSize: sampler.worldSize)
        let network = try TorchNetwork(state.graph, weights: state.weights, device: device)
        step = try TrainingStep(network, recipe: configuration.recipe, precision: configuration.precision)
        position = state.position
        metrics = []
        if let saved {
            try Self.check(saved, against: configuration, worldSize: sampler.worldSize, in: folder)
            metrics = try folder.readMetrics(epochs: saved.position.epoch)
            do { try step.load(saved) } catch {
                throw FormatError(file: folder.state, reason: "does not suit the run's optimiser: \(error)")
            }
        }
        guard isWriter else { return }
        if !resuming { lock = try folder.create() }
        try AtomicFile.write(configuration.yaml, to: folder.configuration)
    }

    private static func check(
        _ state: TrainingState, against configuration: RunConfiguration, worldSize: Int, in folder: RunFolder
    ) throws {
        guard state.graph == (try configuration.graph()) else {
            throw FormatError(file: folder.state, reason: "its network is not that of \(folder.configuration)")
        }
        guard state.position.epoch <= configuration.recipe.epochs else {
            throw FormatError(file: folder.state, reason: "it is at a later epoch than \(folder.configuration) has")
        }
        guard state.position.worldSize == worldSize else {
            throw RunError.conflict(
                setting: "processes", recorded: "\(state.position.worldSize)", given: "\(worldSize)")
        }
    }

    /// Trains to the end, or until an interruption is asked for.
    ///
    /// Throws `RunError.diverged`, `WriteError`, and what reading the data throws; the folder then holds the last state
    /// that was saved.
    public func run() throws -> TrainingOutcome {
        try announce()
        if position.epoch == 0, position.step == 0 { try saveState() }
        do {
            while position.epoch < configuration.recipe.epochs {
                try trainEpoch()
                try endEpoch()
            }
        } catch is Interrupted {
            return .interrupted(epoch: position.epoch + 1, step: position.step)
        }
        guard let best = metrics.max(by: { $0.testTop1 < $1.testTop1 }), let last = metrics.last else {
            throw FormatError(file: folder.metrics, reason: "a finished run has at least one epoch")
        }
        return .finished(best: best, last: last)
    }

    private func announce() throws {
        let count = try Count(step.network.graph)
        observer?.trainingWillStart(
            RunSummary(
                configuration: configuration, parameters: count.parameters, macs: count.macs,
                trainingImages: data.training.count, testImages: data.test.count, loadingThreads: loadingThreads,
                finishedEpochs: position.epoch, finishedSteps: position.step))
    }

    /// An interruption was asked for, and the state is saved.
    private struct Interrupted: Error {}
}

// MARK: - An epoch

extension Trainer {
    /// Takes the steps that the epoch still lacks, and saves the state.
    private func trainEpoch() throws {
        let recipe = configuration.recipe
        let loader = try Loader(
            data.training,
            order: sampler.trainingOrder(count: data.training.count, seed: configuration.seed, epoch: position.epoch),
            augmentation: data.augmentation, seed: configuration.seed, epoch: position.epoch,
            options: .init(
                batchSize: recipe.batchSize, dropsLastBatch: recipe.dropLast, firstBatch: position.step,
                threadCount: loadingThreads, prefetchedBatches: 2 * loadingThreads + 2))
        guard position.step <= loader.batchCount else {
            throw FormatError(file: folder.state, reason: "it is at a later step than an epoch of these data has")
        }
        var start = ContinuousClock.now
        while let batch = try loader.next() {
            let rate = learningRate(step: position.step, of: loader.batchCount)
            let loss = try train(on: batch, learningRate: rate)
            let now = ContinuousClock.now
            position.seconds += (now - start).seconds
            start = now
            observer?.trainingDidStep(
                StepProgress(
                    epoch: position.epoch + 1, epochs: recipe.epochs, step: position.step,
                    stepsPerEpoch: loader.batchCount, images: batch.count, loss: loss,
                    meanLoss: position.lossSum / Double(position.images),
                    top1: 100 * Double(position.correct) / Double(position.images), learningRate: rate))
            if isInterrupted() { try saveAndStop() }
        }
        // Evaluation may take longer than whoever asks the program to end will wait.
        try saveState()
    }

    private func saveAndStop() throws {
        try saveState()
        throw Interrupted()
    }

    private func learningRate(step: Int, of stepsPerEpoch: Int) -> Double {
        let recipe = configuration.recipe
        return recipe.learningRate
            * recipe.learningRateSchedule.factor(
                epoch: position.epoch, step: step, stepsPerEpoch: stepsPerEpoch, epochs: recipe.epochs)
    }

    /// Takes one step and adds it to the epoch's sums; returns the batch's mean loss. Throws `RunError.diverged` before
    /// a loss that is not finite could spread.
    private func train(on batch: Batch, learningRate: Double) throws -> Double {
        let (images, labels) = try batch.tensors(on: step.network.device)
        let result: TrainingStep.Result
        do { result = try step(images, labels, learningRate: learningRate) } catch let error as LossNotFinite {
            throw RunError.diverged(node: error.node, epoch: position.epoch + 1, step: position.step + 1)
        }
        position.step += 1
        position.lossSum += result.loss * Double(batch.count)
        position.images += batch.count
        position.correct += result.correct
        return result.loss
    }

    /// Evaluates, records and saves. The state goes last: until it is there, the epoch would be evaluated again and give
    /// the same files.
    private func endEpoch() throws {
        let (result, weights) = try step.withAverages { (try evaluate(), try step.network.weights()) }
        try requireFinite(weights)
        // The epoch is complete, so its steps are all there are.
        let lastRate = learningRate(step: position.step - 1, of: position.step)
        let epoch = EpochMetrics(
            epoch: position.epoch + 1, learningRate: lastRate, trainLoss: position.lossSum / Double(position.images),
            trainTop1: 100 * Double(position.correct) / Double(position.images), testLoss: result.loss,
            testTop1: result.top1, testTop5: result.top5,
            imagesPerSecond: Double(position.images) / max(position.seconds, 1e-9),
            trainSeconds: position.seconds, testSeconds: result.seconds)
        let isBest = result.top1 > position.bestTop1 ?? -1
        metrics.append(epoch)
        position = TrainingState.Position(
            epoch: position.epoch + 1, bestTop1: isBest ? result.top1 : position.bestTop1,
            worldSize: sampler.worldSize)
        if sampler.rank == 0 {
            let model = try Model(graph: step.network.graph, weights: weights, facts: facts(epoch))
            try ModelFile.write(model, to: folder.last)
            if isBest { try ModelFile.write(model, to: folder.best) }
            try folder.write(metrics)
        }
        try saveState()
        observer?.epochDidEnd(epoch, isBest: isBest)
    }

    private func evaluate() throws -> EvaluationResult {
        let evaluator = Evaluator(
            data.test, preprocessing: data.preprocessing, batchSize: configuration.recipe.testBatchSize,
            precision: configuration.precision, sampler: sampler)
        do {
            return try evaluator.evaluate(step.network, loadingThreads: loadingThreads) { done in
                observer?.evaluationDidAdvance(epoch: position.epoch + 1, done: done, total: data.test.count)
                // The state of the epoch's end is saved already.
                if isInterrupted() { throw Interrupted() }
            }
        } catch let error as LossNotFinite {
            throw RunError.diverged(node: error.node, epoch: position.epoch + 1, step: position.step)
        }
    }
}

// MARK: - Saving

extension Trainer {
    private func saveState() throws {
        guard sampler.rank == 0 else { return }
        let state = try step.state(at: position)
        try requireFinite(state.weights)
        try state.write(to: folder.state)
    }

    /// A step can spoil parameters after its own loss was fine: such weights never replace sound ones.
    private func requireFinite(_ weights: Weights) throws {
        for node in step.network.graph.nodes {
            for parameter in node.parameters
            where weights.tensors[parameter.name]!.elements.contains(where: { !$0.isFinite }) {
                throw RunError.diverged(node: node.name, epoch: position.epoch + 1, step: position.step)
            }
        }
    }

    private func facts(_ epoch: EpochMetrics) -> [String: String] {
        var facts = [
            "architecture": configuration.architecture,
            "method": configuration.methodText,
            "dataset": configuration.dataset.rawValue,
            "classes": String(configuration.classes),
            "epoch": String(epoch.epoch),
            "top1": String(epoch.testTop1),
        ]
        facts["normalization"] = data.preprocessing.normalization.name
        return facts
    }
}

extension TrainingState {
    /// The state before the first step.
    fileprivate init(startingWith configuration: RunConfiguration, worldSize: Int) throws {
        let graph = try configuration.graph()
        let weights: Weights =
            switch configuration.initialWeights {
            case .random: .initial(for: graph, seed: configuration.seed)
            case .hash: .hashed(for: graph)
            }
        self.init(position: Position(worldSize: worldSize), graph: graph, weights: weights)
    }
}
