import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTorch

/// Trains one network as a configuration says, in a run folder.
///
/// The result is a function of the configuration, the build, the machine and the number of computing threads: not of the
/// number of loading threads, nor of whether and where the run was interrupted and resumed.
public final class Trainer {
    /// What a run takes of the machine.
    public struct Resources: Sendable {
        /// Threads that compute.
        public var threads: Int
        /// Threads that load images beside them; they mostly wait.
        public var loadingThreads: Int
        public var rank = ProcessRank.single

        public init(threads: Int, loadingThreads: Int = 1) {
            self.threads = threads
            self.loadingThreads = loadingThreads
        }
    }

    private let configuration: RunConfiguration
    private let folder: RunFolder
    private let resources: Resources
    private let isInterrupted: () -> Bool
    private weak var observer: (any TrainingObserver)?

    private let data: TrainingData
    private let network: TorchNetwork
    private let optimizer: any Optimizer
    private let averages: ExponentialMovingAverage?
    private var position: TrainingState.Position
    private var metrics: [EpochMetrics]

    /// Prepares a new run in `folder`, or with `resuming` the one that is there. `isInterrupted` is asked after each step.
    ///
    /// Throws before anything is written where configuration, data and network do not fit one another.
    public init(
        _ configuration: RunConfiguration, in folder: RunFolder, resuming: Bool, resources: Resources,
        isInterrupted: @escaping () -> Bool = { false }, observer: (any TrainingObserver)? = nil
    ) throws {
        self.configuration = configuration
        self.folder = folder
        self.resources = resources
        self.isInterrupted = isInterrupted
        self.observer = observer
        guard let device = Device(parsing: configuration.device) else {
            throw RunError.unsuitable("--device \(configuration.device) is neither cpu nor cuda[:index]")
        }
        try TorchRuntime.start(threads: resources.threads, device: device)
        data = try TrainingData(configuration)
        let state =
            resuming && folder.hasState
            ? try TrainingState(readingFrom: folder.state) : try TrainingState(startingWith: configuration)
        network = try TorchNetwork(state.graph, weights: state.weights, device: device)
        optimizer = try configuration.recipe.makeOptimizer(for: network)
        let averaged = network.namedParameters + network.namedStatistics
        averages = try configuration.recipe.emaDecay.map {
            try ExponentialMovingAverage(parameters: averaged, decay: $0)
        }
        position = state.position
        metrics = resuming ? Array(try folder.readMetrics().prefix(state.position.epoch)) : []
        if resuming, folder.hasState {
            try optimizer.load(state: try state.optimizer.named(on: device))
            try averages?.load(try state.averages.named(on: device))
        } else if !resuming {
            try folder.create()
        }
        try AtomicFile.write(configuration.yaml, to: folder.configuration)
    }

    /// Trains to the end, or until an interruption is asked for.
    ///
    /// Throws `RunError.diverged`, `WriteError`, and what reading the data throws; the folder then holds the last state
    /// that was saved.
    public func run() throws -> TrainingOutcome {
        try announce()
        if position.epoch == 0, position.step == 0 { try saveState() }
        while position.epoch < configuration.recipe.epochs {
            guard try trainEpoch() else {
                return .interrupted(epoch: position.epoch + 1, step: position.step)
            }
            try endEpoch()
        }
        let best = metrics.max { $0.testTop1 < $1.testTop1 }
        guard let best, let last = metrics.last else { throw RunError.noRun(folder.path) }
        return .finished(best: best, last: last)
    }

    private func announce() throws {
        let count = try Count(network.graph)
        observer?.trainingWillStart(
            RunSummary(
                configuration: configuration, parameters: count.parameters, macs: count.macs,
                trainingImages: data.training.count, testImages: data.test.count, threads: resources.threads,
                loadingThreads: resources.loadingThreads, finishedEpochs: position.epoch, finishedSteps: position.step))
    }
}

// MARK: - An epoch

extension Trainer {
    /// Takes the steps that the epoch still lacks. False where an interruption came; the state is then saved.
    private func trainEpoch() throws -> Bool {
        let recipe = configuration.recipe
        let sampler = Sampler(rank: resources.rank.rank, worldSize: resources.rank.worldSize)
        let loader = try Loader(
            data.training,
            order: sampler.trainingOrder(count: data.training.count, seed: configuration.seed, epoch: position.epoch),
            augmentation: data.augmentation, seed: configuration.seed, epoch: position.epoch,
            options: .init(
                batchSize: recipe.batchSize, dropsLastBatch: recipe.dropLast, firstBatch: position.step,
                threadCount: resources.loadingThreads))
        guard loader.batchCount > 0 else {
            throw RunError.unsuitable("\(data.training.count) images are less than one batch of \(recipe.batchSize)")
        }
        var start = ContinuousClock.now
        while let batch = try loader.next() {
            let rate = learningRate(step: position.step, of: loader.batchCount)
            let loss = try step(on: batch, learningRate: rate)
            position.step += 1
            let now = ContinuousClock.now
            position.seconds += (now - start).seconds
            start = now
            observer?.trainingDidStep(
                StepProgress(
                    epoch: position.epoch + 1, epochs: recipe.epochs, step: position.step,
                    stepsPerEpoch: loader.batchCount, images: batch.count, loss: loss,
                    meanLoss: position.lossSum / Double(position.images),
                    top1: 100 * Double(position.correct) / Double(position.images), learningRate: rate))
            if isInterrupted() {
                try saveState()
                return false
            }
        }
        return true
    }

    private func learningRate(step: Int, of stepsPerEpoch: Int) -> Double {
        let recipe = configuration.recipe
        return recipe.learningRate
            * recipe.learningRateSchedule.factor(
                epoch: position.epoch, step: step, stepsPerEpoch: stepsPerEpoch, epochs: recipe.epochs)
    }

    /// One step of the optimiser; returns the batch's mean loss. Throws `RunError.diverged` before a step that would
    /// spread a loss that is not finite.
    private func step(on batch: Batch, learningRate: Double) throws -> Double {
        let recipe = configuration.recipe
        let (images, labels) = try batch.tensors(on: network.device)
        let logits = try network.logits(of: images, mode: .training, precision: configuration.precision)
        let loss = try logits.crossEntropy(targets: labels, labelSmoothing: recipe.labelSmoothing)
        let value = try loss.item()
        guard value.isFinite else {
            throw RunError.diverged(
                node: try firstNonFiniteNode(for: images) ?? network.graph.outputName, epoch: position.epoch + 1,
                step: position.step + 1)
        }
        try optimizer.clearGradients()
        try loss.backward()
        try network.maskGradients()
        if let maximum = recipe.gradientClip {
            try Torch.clipGradientNorm(of: network.parameters.map(\.value), to: maximum)
        }
        try optimizer.step(learningRate: learningRate)
        try averages?.update()
        position.lossSum += value * Double(batch.count)
        position.images += batch.count
        position.correct += Int(
            try Torch.withoutGradients { () throws(TorchError) in
                try logits.argmax(along: 1).equal(to: labels).sum().item()
            })
        return value
    }

    private func firstNonFiniteNode(for images: TorchTensor) throws -> String? {
        try Torch.withoutGradients {
            guard configuration.precision == .bf16 else { return try network.firstNonFiniteNode(for: images) }
            return try Torch.withAutocast(on: network.device) { try network.firstNonFiniteNode(for: images) }
        }
    }

    /// Evaluates, records and saves. The state goes last: until it is there, the epoch would be trained again and give
    /// the same files.
    private func endEpoch() throws {
        let (result, weights) = try withAverages { (try evaluate(), try network.weights()) }
        // The epoch is complete, so its steps are all there are.
        let lastRate = learningRate(step: position.step - 1, of: position.step)
        let epoch = EpochMetrics(
            epoch: position.epoch + 1, learningRate: lastRate,
            trainLoss: position.lossSum / Double(position.images),
            trainTop1: 100 * Double(position.correct) / Double(position.images), testLoss: result.loss,
            testTop1: result.top1, testTop5: result.top5,
            imagesPerSecond: Double(position.images) / max(position.seconds, .leastNonzeroMagnitude),
            trainSeconds: position.seconds, testSeconds: result.seconds)
        let isBest = result.top1 > position.bestTop1 ?? -1
        metrics.append(epoch)
        try requireFinite(weights)
        let model = try Model(graph: network.graph, weights: weights, facts: facts(epoch))
        try ModelFile.write(model, to: folder.last)
        if isBest { try ModelFile.write(model, to: folder.best) }
        try folder.write(metrics)
        position = TrainingState.Position(
            epoch: position.epoch + 1, bestTop1: isBest ? result.top1 : position.bestTop1,
            bestEpoch: isBest ? epoch.epoch : position.bestEpoch)
        try saveState()
        observer?.epochDidEnd(epoch, isBest: isBest)
    }

    private func evaluate() throws -> EvaluationResult {
        let evaluator = Evaluator(
            data.test, preprocessing: data.preprocessing, batchSize: configuration.recipe.testBatchSize,
            precision: configuration.precision)
        return try evaluator.evaluate(network, loadingThreads: resources.loadingThreads) { done in
            observer?.evaluationDidAdvance(epoch: position.epoch + 1, done: done, total: data.test.count)
        }
    }

    /// Runs `body` with the averaged parameters, where the recipe keeps them.
    private func withAverages<Result>(_ body: () throws -> Result) throws -> Result {
        guard let averages else { return try body() }
        return try averages.withAverages(body)
    }
}

// MARK: - Saving

extension Trainer {
    private func saveState() throws {
        let weights = try network.weights()
        try requireFinite(weights)
        try TrainingState(
            position: position, graph: network.graph, weights: weights, optimizer: try optimizer.state.hostTensors(),
            averages: try averages?.averages.hostTensors() ?? [:]
        ).write(to: folder.state)
    }

    /// A step can spoil parameters after its own loss was fine: such weights never replace sound ones.
    private func requireFinite(_ weights: Weights) throws {
        for node in network.graph.nodes {
            for parameter in node.parameters where weights.tensors[parameter.name]!.elements.contains(where: { !$0.isFinite }) {
                throw RunError.diverged(node: node.name, epoch: position.epoch + 1, step: position.step)
            }
        }
    }

    private func facts(_ epoch: EpochMetrics) -> [String: String] {
        let methods = configuration.methods
        var facts = [
            "architecture": configuration.architecture,
            "method": methods.isEmpty ? "dense" : methods.map { $0.pattern == "*" ? $0.method : "\($0.pattern)=\($0.method)" }.joined(separator: " "),
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
    init(startingWith configuration: RunConfiguration) throws {
        let graph = try configuration.graph()
        let weights: Weights =
            switch configuration.initialWeights {
            case .random: .initial(for: graph, seed: configuration.seed)
            case .hash: .hashed(for: graph)
            }
        self.init(position: Position(), graph: graph, weights: weights)
    }
}

extension [NamedTensor] {
    fileprivate func hostTensors() throws(TorchError) -> [String: Tensor<Float>] {
        var tensors: [String: Tensor<Float>] = [:]
        for element in self { tensors[element.name] = try element.tensor.host() }
        return tensors
    }
}

extension [String: Tensor<Float>] {
    fileprivate func named(on device: Device) throws(TorchError) -> [NamedTensor] {
        var tensors: [NamedTensor] = []
        for (name, tensor) in self { tensors.append(NamedTensor(name: name, tensor: try TorchTensor(tensor, on: device))) }
        return tensors
    }
}
