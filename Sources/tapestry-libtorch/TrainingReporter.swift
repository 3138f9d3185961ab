import TapestryCommandLine
import TapestryData
import TapestryFormats
import TapestryRecipes
import TapestryTraining

/// Shows a run's course on standard error: a bar while an epoch goes on, a line when it is done.
final class TrainingReporter: TrainingObserver {
    private var bar: ProgressBar?
    private var barEpoch = 0
    private var evaluated = 0
    private lazy var unreadable = UnreadableNotes { [unowned self] in clear() }

    func trainingWillStart(_ summary: RunSummary) {
        let configuration = summary.configuration
        Console.note(
            "\(configuration.architecture) \(configuration.methodText): \(summary.parameters.grouped)"
                + " parameters, \(summary.macs.grouped) multiply-adds; \(summary.trainingImages.grouped) images to"
                + " train on, \(summary.testImages.grouped) to test on; \(configuration.precision.rawValue) on"
                + " \(configuration.device), " + summary.engineText)
        for warning in summary.warnings { Console.note("warning: \(warning)") }
        if summary.finishedEpochs > 0 || summary.finishedSteps > 0 {
            Console.note(
                "resuming after \(summary.finishedEpochs) epochs and \(summary.finishedSteps) steps")
        }
    }

    func trainingDidStep(_ progress: StepProgress) {
        if barEpoch != progress.epoch {
            barEpoch = progress.epoch
            bar = ProgressBar(
                "epoch \(progress.epoch)/\(progress.epochs)",
                total: (progress.stepsPerEpoch - progress.step + 1) * progress.images, unit: "images")
        }
        bar?.advance(
            by: progress.images,
            detail: "loss \(progress.meanLoss.decimals(3))  top-1 \(progress.top1.percent)")
    }

    func evaluationDidAdvance(epoch: Int, done: Int, total: Int) {
        if done <= evaluated || evaluated == 0 {
            clear()
            bar = ProgressBar("epoch \(epoch) test", total: total, unit: "images")
            evaluated = 0
        }
        bar?.advance(by: done - evaluated)
        evaluated = done
    }

    func imageIsUnreadable(_ image: UnreadableImage) { unreadable.add(image) }

    func epochDidEnd(_ metrics: EpochMetrics, isBest: Bool) {
        clear()
        unreadable.conclude("replaced by others in training, and left out in tests")
        evaluated = 0
        var parts: [String] = []
        if let training = metrics.training {
            parts += ["loss \(training.loss.decimals(4))", "train \(training.top1.percent)"]
        }
        if let test = metrics.test { parts.append("test \(test.top1.percent)\(isBest ? " (best)" : "")") }
        if let training = metrics.training { parts.append(Self.speed(training)) }
        let seconds = (metrics.training?.seconds ?? 0) + (metrics.test?.seconds ?? 0)
        parts.append(ProgressBar.duration(seconds))
        Console.note("epoch \(metrics.epoch): \(parts.joined(separator: "  "))")
    }

    /// Images per second in all, and of each of several processes: by rank, or of many the slowest and the fastest.
    private static func speed(_ training: EpochMetrics.Training) -> String {
        let total = "\(training.imagesPerSecond.groupedWhole) images/s"
        guard let rates = training.imagesPerSecondByRank else { return total }
        let each =
            rates.count <= 8
            ? rates.map(\.groupedWhole).joined(separator: " + ")
            : "\(rates.min()!.groupedWhole) to \(rates.max()!.groupedWhole) each"
        return "\(total) (\(each))"
    }

    /// Takes the bar away, before something else is said.
    func clear() {
        bar?.finish()
        bar = nil
    }
}

extension RunSummary {
    /// What computes.
    fileprivate var engineText: String {
        switch nativeConvolutions {
        case 0: "by libtorch"
        case convolutions: "by Tapestry's kernels"
        default: "\(nativeConvolutions) of \(convolutions) convolutions by Tapestry's kernels"
        }
    }
}
