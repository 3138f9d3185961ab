import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTorch

// MARK: - Steps

extension Trainer {
    /// Saves the state before the first step, and tests the untrained network where the recipe says so.
    func begin() throws {
        try saveState()
        if configuration.recipe.isTested(afterEpoch: 0), position.bestTop1 == nil {
            try record(epoch: 0, training: nil)
        }
    }

    /// Takes the steps that the epoch still lacks, and saves the state.
    func trainEpoch() throws {
        guard position.step <= plan.stepsPerEpoch else {
            throw FormatError(file: folder.state, reason: "it is at a later step than an epoch of these data has")
        }
        if configuration.recipe.resetOptimizer, position.step == 0 { try step.resetOptimizer() }
        if let ternarization = configuration.ternarization, position.step == 0, position.epoch > 0,
            position.epoch == ternarization.assigningEpochs
        {
            let best = position.bestTop1 == nil ? nil : try ModelFile.read(folder.best).weights
            try step.freeze(try best ?? step.network.weights())
        }
        for segment in plan.segments(epoch: position.epoch, from: position.step) { try train(on: segment) }
        // Evaluation may take longer than whoever asks the program to end will wait.
        try saveState()
    }

    private func train(on segment: StepPlan.Segment) throws {
        let recipe = configuration.recipe
        let order = sampler.trainingOrder(count: data.training.count, seed: configuration.seed, epoch: segment.pass)
        var start = ContinuousClock.now
        if let deviceBatches {
            for number in segment.batches {
                let indices = Array(order[(number * recipe.batchSize)...].prefix(recipe.batchSize))
                let batch = try deviceBatches.tensors(at: indices, seed: configuration.seed, epoch: segment.pass)
                try take(batch, count: indices.count, since: &start)
            }
            return
        }
        let loader = try Loader(
            data.training, order: order, augmentation: data.augmentation, seed: configuration.seed, epoch: segment.pass,
            options: .init(
                batchSize: recipe.batchSize, dropsLastBatch: recipe.dropLast, firstBatch: segment.batches.lowerBound,
                batchLimit: segment.batches.count, threadCount: loadingThreads,
                prefetchedBatches: 2 * loadingThreads + 2, unreadable: unreadable.policy))
        while let batch = try loader.next() {
            try unreadable.add(batch.unreadable)
            try take(try batch.tensors(on: step.network.device), count: batch.count, since: &start)
        }
    }

    /// Takes a step, tells the observer, and stops where that is asked for.
    private func take(
        _ batch: (images: TorchTensor, labels: TorchTensor), count: Int, since start: inout ContinuousClock.Instant
    ) throws {
        let rate = learningRate(step: position.step)
        let loss = try train(on: batch, count: count, learningRate: rate)
        let now = ContinuousClock.now
        position.seconds += (now - start).seconds
        start = now
        observer?.trainingDidStep(
            StepProgress(
                epoch: position.epoch + 1, epochs: configuration.recipe.epochs, step: position.step,
                stepsPerEpoch: plan.stepsPerEpoch, images: count, loss: loss,
                meanLoss: position.lossSum / Double(position.images),
                top1: 100 * Double(position.correct) / Double(position.images), learningRate: rate))
        if isInterrupted() { try saveAndStop() }
    }

    private func saveAndStop() throws {
        try saveState()
        throw Interrupted()
    }

    private func learningRate(step: Int) -> Double {
        let recipe = configuration.recipe
        return recipe.learningRate
            * recipe.learningRateSchedule.factor(
                epoch: position.epoch, step: step, stepsPerEpoch: plan.stepsPerEpoch, epochs: recipe.epochs)
    }

    /// Takes one step and adds it to the epoch's sums; returns the batch's mean loss. Throws `RunError.diverged` before
    /// a loss that is not finite could spread.
    private func train(
        on batch: (images: TorchTensor, labels: TorchTensor), count: Int, learningRate: Double
    ) throws -> Double {
        if step.network.drawsRandomNumbers {
            // A seed for each step, so that a resumed run draws what the uninterrupted one would have.
            var stream = RandomStream(
                seed: configuration.seed, purpose: .dropout, UInt64(position.epoch), UInt64(position.step),
                UInt64(sampler.rank))
            try TorchRuntime.setSeed(stream.next())
        }
        let result: TrainingStep.Result
        do {
            result = try step(batch.images, batch.labels, learningRate: learningRate, epoch: position.epoch)
        } catch let error as LossNotFinite {
            throw RunError.diverged(node: error.node, epoch: position.epoch + 1, step: position.step + 1)
        }
        position.step += 1
        position.lossSum += result.loss * Double(count)
        position.images += count
        position.correct += result.correct
        return result.loss
    }
}

// MARK: - The end of an epoch

extension Trainer {
    /// What the steps of the epoch, which are complete, came to.
    func trainingFigures() -> EpochMetrics.Training {
        EpochMetrics.Training(
            learningRate: learningRate(step: plan.stepsPerEpoch - 1), loss: position.lossSum / Double(position.images),
            top1: 100 * Double(position.correct) / Double(position.images),
            imagesPerSecond: Double(position.images) / max(position.seconds, 1e-9), seconds: position.seconds)
    }

    /// Tests where the recipe says so, records and saves. The state goes last: until it is there, all of this would be
    /// done again and give the same files.
    func record(epoch: Int, training: EpochMetrics.Training?) throws {
        let (tested, weights) = try step.withAverages { (try test(afterEpoch: epoch), try step.network.weights()) }
        try requireFinite(weights)
        let recorded = EpochMetrics(
            epoch: epoch, training: training, test: tested, ternaryLayers: try step.ternaryLayers)
        let isBest = (tested?.top1 ?? -1) > (position.bestTop1 ?? -1)
        metrics.append(recorded)
        position = TrainingState.Position(
            epoch: epoch, bestTop1: isBest ? tested?.top1 : position.bestTop1, worldSize: sampler.worldSize)
        if sampler.rank == 0 {
            let model = try Model(graph: step.network.graph, weights: weights, facts: facts(recorded))
            try ModelFile.write(model, to: folder.last)
            if isBest { try ModelFile.write(model, to: folder.best) }
            try folder.write(metrics)
        }
        try saveState()
        observer?.epochDidEnd(recorded, isBest: isBest)
    }

    private func test(afterEpoch epoch: Int) throws -> EpochMetrics.Test? {
        guard configuration.recipe.isTested(afterEpoch: epoch) else { return nil }
        let evaluator = Evaluator(
            data.test, preprocessing: data.preprocessing, batchSize: configuration.recipe.testBatchSize,
            precision: configuration.precision, sampler: sampler, unreadable: unreadable)
        do {
            let result = try evaluator.evaluate(step.network, loadingThreads: loadingThreads) { done in
                observer?.evaluationDidAdvance(epoch: epoch, done: done, total: data.test.count)
                // The state is saved already.
                if isInterrupted() { throw Interrupted() }
            }
            return EpochMetrics.Test(loss: result.loss, top1: result.top1, top5: result.top5, seconds: result.seconds)
        } catch let error as LossNotFinite {
            throw RunError.diverged(node: error.node, epoch: position.epoch + 1, step: position.step)
        }
    }
}

// MARK: - Saving

extension Trainer {
    /// The state before stays beside it; but a damaged one does not take the place of a sound one.
    private func saveState() throws {
        guard sampler.rank == 0 else { return }
        let state = try step.state(at: position)
        try requireFinite(state.weights)
        try state.write(to: folder.state, keepingOldAt: damage == nil ? folder.olderState : nil)
        damage = nil
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

    func facts(_ epoch: EpochMetrics) -> [String: String] {
        var facts = [
            "architecture": configuration.architecture,
            "method": configuration.methodText,
            "dataset": configuration.dataset.rawValue,
            "classes": String(configuration.classes),
            "epoch": String(epoch.epoch),
        ]
        facts[NameList.quantizedLayers.key] = configuration.ternarization.map {
            NameList.quantizedLayers.text($0.fixedLayers + $0.layers)
        }
        facts["top1"] = epoch.test.map { String($0.top1) }
        facts["normalization"] = data.preprocessing.normalization.name
        facts[NameList.classNames.key] = NameList.classNames.text(data.training.classNames)
        return facts.merging(configuration.recipe.inputSizing.facts) { $1 }
    }
}

extension RunFolder {
    /// The record of a run that came to `position`. Throws `FormatError` where it has other epochs.
    func readMetrics(of recipe: Recipe, to position: TrainingState.Position) throws -> [EpochMetrics] {
        let first = recipe.isTested(afterEpoch: 0) && position.bestTop1 != nil ? 0 : 1
        let read = try readMetrics(epochs: position.epoch + 1 - first)
        if let found = read.first?.epoch, found != first {
            throw FormatError(file: metrics, reason: "expected epoch \(first) first, found \(found)")
        }
        return read
    }
}
