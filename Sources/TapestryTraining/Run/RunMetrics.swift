/// What an epoch came to: a line of `metrics.jsonl`.
public struct EpochMetrics: Codable, Equatable, Sendable {
    /// From 1.
    public var epoch: Int
    /// The rate of the epoch's last step.
    public var learningRate: Double
    /// Mean cross-entropy over the epoch's images, as they were trained on.
    public var trainLoss: Double
    /// In per cent, of the images as they were trained on.
    public var trainTop1: Double
    public var testLoss: Double
    /// In per cent.
    public var testTop1: Double
    /// In per cent.
    public var testTop5: Double
    /// Images trained on per second, evaluation left out.
    public var imagesPerSecond: Double
    /// Of training in this epoch.
    public var trainSeconds: Double
    public var testSeconds: Double

    /// Whether a run can have recorded this.
    var isPossible: Bool {
        let numbers = [learningRate, trainLoss, trainTop1, testLoss, testTop1, testTop5, imagesPerSecond]
        return epoch >= 1 && (numbers + [trainSeconds, testSeconds]).allSatisfy { $0.isFinite && $0 >= 0 && $0 < 1e15 }
    }
}

/// How well a network does on a data set.
public struct EvaluationResult: Equatable, Sendable {
    /// In per cent.
    public var top1: Double
    /// In per cent; of fewer than five classes, all.
    public var top5: Double
    /// Mean cross-entropy.
    public var loss: Double
    public var images: Int
    public var seconds: Double
}
