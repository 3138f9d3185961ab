import TapestryData
import TapestryFormats
import TapestryRecipes

/// Who is told how a run goes: the command line, a notebook, a test.
public protocol TrainingObserver: AnyObject {
    func trainingWillStart(_ summary: RunSummary)
    func trainingDidStep(_ progress: StepProgress)
    /// `done` of `total` test images have been evaluated after `epoch` (from 1; 0 for the untrained network).
    func evaluationDidAdvance(epoch: Int, done: Int, total: Int)
    /// An image cannot be read, and the run does without it; called once for each.
    func imageIsUnreadable(_ image: UnreadableImage)
    /// Also called for epoch 0, where the untrained network is tested.
    func epochDidEnd(_ metrics: EpochMetrics, isBest: Bool)
}

extension TrainingObserver {
    public func imageIsUnreadable(_ image: UnreadableImage) {}
}

/// What a run is about to do.
public struct RunSummary: Sendable {
    public let configuration: RunConfiguration
    public let parameters: Int
    public let macs: Int
    /// How many of the network's convolutions Tapestry's own kernels compute.
    public let nativeConvolutions: Int
    public let convolutions: Int
    public let trainingImages: Int
    public let testImages: Int
    /// Threads that load beside those that compute.
    public let loadingThreads: Int
    /// Epochs and steps done before, by the run that this one resumes.
    public let finishedEpochs: Int
    public let finishedSteps: Int
    /// What was found damaged in the folder of the run that this one resumes, and what becomes of it, a line each.
    public let warnings: [String]
}

/// Where a run is after a step.
public struct StepProgress: Sendable {
    /// From 1.
    public let epoch: Int
    public let epochs: Int
    /// Steps of the epoch done, and in all.
    public let step: Int
    public let stepsPerEpoch: Int
    /// Images of this step.
    public let images: Int
    /// This step's mean loss.
    public let loss: Double
    /// Mean loss and accuracy in per cent of the epoch so far.
    public let meanLoss: Double
    public let top1: Double
    public let learningRate: Double
}

/// How a run ended.
public enum TrainingOutcome: Equatable, Sendable {
    /// All epochs are done.
    case finished(best: EpochMetrics, last: EpochMetrics)
    /// It was asked to stop, saved its state and can be resumed.
    case interrupted(epoch: Int, step: Int)
}
