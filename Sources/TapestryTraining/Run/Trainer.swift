import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes
import TapestryRewrites
import TapestryRuntime
import TapestryTorch

/// Trains one network as a configuration says, in a run folder.
///
/// The result is a function of the configuration, the build and the machine: not of the number of loading threads, nor of
/// whether and where the run was interrupted and resumed.
public final class Trainer {
    let configuration: RunConfiguration
    let folder: RunFolder
    /// Kept as long as the run: no other process writes to the folder meanwhile.
    private var lock: RunFolder.Lock?
    /// The processes that train together, of which rank 0 reads and writes the folder; nil where this one is alone.
    let group: ProcessGroup?
    let sampler: Sampler
    let loadingThreads: Int
    let isInterrupted: () -> Bool
    private(set) weak var observer: (any TrainingObserver)?

    let data: TrainingData
    /// Where a GPU makes its batches itself.
    let deviceBatches: DeviceBatches?
    /// Of both splits, as far as this process has met them.
    lazy var unreadable = UnreadableImages(limit: configuration.unreadableLimit ?? UnreadableImages.defaultLimit) {
        [weak self] image in self?.observer?.imageIsUnreadable(image)
    }
    let step: TrainingStep
    let plan: StepPlan
    var position: TrainingState.Position
    var metrics: [EpochMetrics]
    /// Why the run goes on from the state before the last; nil where that is sound.
    var damage: String?
    /// What this process has done of the epoch since it was started.
    var ownWork = (images: 0, seconds: 0.0)

    /// Prepares a new run in `folder`, or with `resuming` the one that is there.
    ///
    /// `model` reads what `configuration.model` names, and is asked for it before the first step only. The processes of
    /// `group` share each batch, and start from what rank 0 has. `isInterrupted` is asked in each step, and one process's
    /// yes is everyone's. `observer` is not kept alive. Throws before anything is written where configuration, data and
    /// network do not fit one another.
    public init(
        _ configuration: RunConfiguration, in folder: RunFolder, resuming: Bool,
        startingFrom model: (() throws -> Model)? = nil, group: ProcessGroup? = nil,
        loadingThreads: Int = 1, isInterrupted: @escaping () -> Bool = { false },
        observer: (any TrainingObserver)? = nil
    ) throws {
        self.configuration = configuration
        self.folder = folder
        self.group = group
        sampler = group?.sampler ?? Sampler()
        self.loadingThreads = loadingThreads
        self.isInterrupted = isInterrupted
        self.observer = observer
        guard let asked = Device(parsing: configuration.device) else {
            throw RunError.unsuitable("device \(configuration.device) is neither cpu nor cuda[:index]")
        }
        // On GPUs each process has its own.
        let device = group?.device ?? asked
        guard (device == .cpu) == (asked == .cpu) else {
            throw SettingError("the run computes on \(asked); processes that share it must be told so by --device")
        }
        guard device != .cpu || configuration.precision != .tf32 else {
            throw RunError.unsuitable("precision tf32 is for cuda; a CPU computes in fp32 or bf16")
        }
        try TorchRuntime.start(threads: configuration.threads, device: device)
        let isWriter = sampler.rank == 0
        if isWriter, !resuming, folder.hasRun { throw RunError.alreadyExists(folder.path) }
        lock = resuming && isWriter ? try folder.lock() : nil
        data = try TrainingData(configuration)
        deviceBatches =
            device == .cpu
            ? nil : try DeviceBatches(data.training, augmentation: data.augmentation, on: device)
        plan = try StepPlan(imageCount: data.training.count, recipe: configuration.recipe)
        let latest = isWriter && resuming ? try TrainingState.latest(in: folder) : nil
        let saved = latest?.state
        damage = latest?.damage
        let state =
            try saved ?? TrainingState(startingWith: configuration, model?(), worldSize: sampler.worldSize)
        let network = try TorchNetwork(
            state.graph, weights: state.weights, device: device, engine: configuration.engine ?? .automatic)
        step = try TrainingStep(
            network, recipe: configuration.recipe, precision: configuration.precision,
            ternarization: configuration.ternarization, group: group)
        position = state.position
        metrics = []
        if let saved {
            try Self.check(saved, against: configuration, worldSize: sampler.worldSize, in: folder)
            metrics = try folder.readMetrics(of: configuration.recipe, to: saved.position)
            do { try step.load(saved) } catch {
                throw FormatError(file: folder.state, reason: "does not suit the run's optimiser: \(error)")
            }
        }
        if let group {
            let beginning = try group.broadcast(isWriter ? Beginning(position: position, metrics: metrics) : nil)
            (position, metrics) = (beginning.position, beginning.metrics)
            try step.adoptFirst()
        }
        guard isWriter else { return }
        if !resuming { lock = try folder.create() }
        try AtomicFile.write(configuration.yaml, to: folder.configuration)
    }

    /// What rank 0 tells the others, beside the tensors.
    private struct Beginning: Codable {
        let position: TrainingState.Position
        let metrics: [EpochMetrics]
    }

    private static func check(
        _ state: TrainingState, against configuration: RunConfiguration, worldSize: Int, in folder: RunFolder
    ) throws {
        guard try configuration.model != nil || state.graph == configuration.graph() else {
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
        try announce(warnings: try recover())
        do {
            if position.epoch == 0, position.step == 0 { try begin() }
            while position.epoch < configuration.recipe.epochs, !hasReachedTarget {
                try trainEpoch()
                try record(epoch: position.epoch + 1, training: try trainingFigures())
            }
        } catch is Interrupted {
            return .interrupted(epoch: position.epoch + 1, step: position.step)
        }
        // What rank 0 has written is there for all.
        try group?.barrier()
        guard let best = metrics.best, let last = metrics.last, last.test != nil || hasReachedTarget else {
            throw FormatError(file: folder.metrics, reason: "a finished run has a last epoch, which was tested")
        }
        return .finished(best: best, last: last)
    }

    /// Whether the network has been as accurate as it need be.
    private var hasReachedTarget: Bool {
        guard let target = configuration.recipe.targetAccuracy, let best = position.bestTop1 else { return false }
        return best >= target
    }

    private func announce(warnings: [String]) throws {
        let count = try Count(step.network.graph)
        observer?.trainingWillStart(
            RunSummary(
                configuration: configuration, parameters: count.parameters, macs: count.macs,
                nativeConvolutions: step.network.nativeConvolutions.count,
                convolutions: step.network.graph.convolutionCount,
                trainingImages: data.training.count, testImages: data.test.count, loadingThreads: loadingThreads,
                finishedEpochs: position.epoch, finishedSteps: position.step, warnings: warnings))
    }

    /// An interruption was asked for, and the state is saved.
    struct Interrupted: Error {}
}

extension TrainingState {
    /// The state before the first step: the model's, where the configuration names one.
    fileprivate init(startingWith configuration: RunConfiguration, _ model: Model?, worldSize: Int) throws {
        if let path = configuration.model {
            guard let model else { throw RunError.unsuitable("the run starts from \(path), which is not given") }
            self.init(position: Position(worldSize: worldSize), graph: model.graph, weights: model.weights)
            return
        }
        let graph = try configuration.graph()
        let weights: Weights =
            switch configuration.initialWeights {
            case .random: .initial(for: graph, seed: configuration.seed)
            case .hash: .hashed(for: graph)
            }
        self.init(position: Position(worldSize: worldSize), graph: graph, weights: weights)
    }
}
