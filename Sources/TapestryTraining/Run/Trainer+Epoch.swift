import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryRecipes
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
            let hasBest = position.bestTop1 != nil && sampler.rank == 0
            try step.freeze(try hasBest ? ModelFile.read(folder.best).weights : step.network.weights())
            try step.adoptFirst()
        }
        for segment in plan.segments(epoch: position.epoch, from: position.step) { try train(on: segment) }
        // Evaluation may take longer than whoever asks the program to end will wait.
        try saveState()
    }

    private func train(on segment: StepPlan.Segment) throws {
        let recipe = configuration.recipe
        let order = sampler.trainingOrder(count: data.training.count, seed: configuration.seed, epoch: segment.pass)
        // Rank 0 may have been writing, which is no time of the others' steps.
        try group?.barrier()
        var start = ContinuousClock.now
        if let deviceBatches {
            for number in segment.batches {
                let whole = order[(number * recipe.batchSize)...].prefix(recipe.batchSize).indices
                let indices = Array(order[sampler.share(of: whole)])
                let (images, labels) = try deviceBatches.tensors(
                    at: indices, seed: configuration.seed, epoch: segment.pass)
                try take(
                    StepBatch(images: images, labels: labels, count: indices.count, wholeCount: whole.count),
                    since: &start)
            }
            return
        }
        let loader = try Loader(
            data.training, order: order, augmentation: data.augmentation, seed: configuration.seed, epoch: segment.pass,
            options: .init(
                batchSize: recipe.batchSize, dropsLastBatch: recipe.dropLast, firstBatch: segment.batches.lowerBound,
                batchLimit: segment.batches.count, threadCount: loadingThreads,
                prefetchedBatches: 2 * loadingThreads + 2, sampler: sampler,
                unreadable: group == nil ? unreadable.policy : unreadable.sharedPolicy))
        while let batch = try loader.next() {
            try unreadable.take(batch.unreadable, in: group)
            let (images, labels) = try batch.tensors(on: step.network.device)
            try take(
                StepBatch(images: images, labels: labels, count: batch.count, wholeCount: batch.wholeCount),
                since: &start)
        }
    }

    /// This process's share of a step's images.
    private struct StepBatch {
        let images: TorchTensor
        let labels: TorchTensor
        let count: Int
        /// Images of all processes.
        let wholeCount: Int
    }

    /// Takes a step, tells the observer, and stops where that is asked for.
    private func take(_ batch: StepBatch, since start: inout ContinuousClock.Instant) throws {
        let rate = learningRate(step: position.step)
        let result = try train(on: batch, learningRate: rate)
        let now = ContinuousClock.now
        position.seconds += (now - start).seconds
        ownWork = (ownWork.images + batch.count, ownWork.seconds + (now - start).seconds)
        start = now
        observer?.trainingDidStep(
            StepProgress(
                epoch: position.epoch + 1, epochs: configuration.recipe.epochs, step: position.step,
                stepsPerEpoch: plan.stepsPerEpoch, images: batch.wholeCount, loss: result.loss,
                meanLoss: position.lossSum / Double(position.images),
                top1: 100 * Double(position.correct) / Double(position.images), learningRate: rate))
        if result.isLast { try saveAndStop() }
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

    /// Takes one step and adds it to the epoch's sums. Throws `RunError.diverged` before
    /// a loss that is not finite could spread.
    private func train(on batch: StepBatch, learningRate: Double) throws -> TrainingStep.Result {
        if step.network.drawsRandomNumbers {
            // A seed for each step, so that a resumed run draws what the uninterrupted one would have.
            var stream = RandomStream(
                seed: configuration.seed, purpose: .dropout, UInt64(position.epoch), UInt64(position.step),
                UInt64(sampler.rank))
            try TorchRuntime.setSeed(stream.next())
        }
        let result: TrainingStep.Result
        do {
            result = try step(
                batch.images, batch.labels, wholeCount: batch.wholeCount, learningRate: learningRate,
                epoch: position.epoch, hasNews: !unreadable.kept.isEmpty, stopping: isInterrupted)
        } catch let error as LossNotFinite {
            throw RunError.diverged(node: error.node, epoch: position.epoch + 1, step: position.step + 1)
        }
        if let group, result.hasNews { try unreadable.exchange(in: group) }
        position.step += 1
        position.lossSum += result.loss * Double(batch.wholeCount)
        position.images += batch.wholeCount
        position.correct += result.correct
        return result
    }
}

// MARK: - The end of an epoch

extension Trainer {
    /// What the steps of the epoch, which are complete, came to.
    func trainingFigures() throws -> EpochMetrics.Training {
        let rates = try group?.gathered(Double(ownWork.images) / max(ownWork.seconds, 1e-9))
        ownWork = (0, 0)
        return EpochMetrics.Training(
            learningRate: learningRate(step: plan.stepsPerEpoch - 1), loss: position.lossSum / Double(position.images),
            top1: 100 * Double(position.correct) / Double(position.images),
            imagesPerSecond: Double(position.images) / max(position.seconds, 1e-9), seconds: position.seconds,
            imagesPerSecondByRank: rates)
    }

    /// Tests where the recipe says so, records and saves. The state goes last: until it is there, all of this would be
    /// done again and give the same files.
    func record(epoch: Int, training: EpochMetrics.Training?) throws {
        let (tested, weights) = try step.withAverages {
            try step.adoptFirstStatistics()
            return (try test(afterEpoch: epoch), try step.network.weights())
        }
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
            precision: configuration.precision, group: group, unreadable: unreadable)
        do {
            let result = try evaluator.evaluate(step.network, loadingThreads: loadingThreads) { done in
                let total = data.test.count
                observer?.evaluationDidAdvance(epoch: epoch, done: min(done * sampler.worldSize, total), total: total)
                // The state is saved already.
                if group == nil, isInterrupted() { throw Interrupted() }
            }
            if try group?.any(isInterrupted()) == true { throw Interrupted() }
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
