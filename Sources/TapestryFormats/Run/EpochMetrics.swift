/// What an epoch came to: a line of `metrics.jsonl`, in which all figures stand beside `epoch`.
public struct EpochMetrics: Equatable, Sendable {
    /// From 1; 0 for the network before training.
    public var epoch: Int
    /// nil before training.
    public var training: Training?
    /// nil for an epoch after which the network was not tested.
    public var test: Test?
    /// The layers that are quantised as they are trained; nil in a run that quantises none.
    public var ternaryLayers: [TernaryLayerFigures]?

    public init(epoch: Int, training: Training?, test: Test?, ternaryLayers: [TernaryLayerFigures]? = nil) {
        self.epoch = epoch
        self.training = training
        self.test = test
        self.ternaryLayers = ternaryLayers
    }

    public struct Training: Codable, Equatable, Sendable {
        /// The rate of the epoch's last step.
        public var learningRate: Double
        /// Mean cross-entropy over the epoch's images, as they were trained on.
        public var loss: Double
        /// In per cent, of the images as they were trained on.
        public var top1: Double
        /// Images trained on per second, evaluation left out.
        public var imagesPerSecond: Double
        public var seconds: Double
        /// What each process did of `imagesPerSecond`, by rank, since the epoch's start or the run's last one; nil where
        /// one trained alone.
        public var imagesPerSecondByRank: [Double]?

        public init(
            learningRate: Double, loss: Double, top1: Double, imagesPerSecond: Double, seconds: Double,
            imagesPerSecondByRank: [Double]? = nil
        ) {
            self.learningRate = learningRate
            self.loss = loss
            self.top1 = top1
            self.imagesPerSecond = imagesPerSecond
            self.seconds = seconds
            self.imagesPerSecondByRank = imagesPerSecondByRank
        }

        fileprivate enum CodingKeys: String, CodingKey, CaseIterable {
            case learningRate, imagesPerSecond, imagesPerSecondByRank
            case loss = "trainLoss"
            case top1 = "trainTop1"
            case seconds = "trainSeconds"
        }
    }

    public struct Test: Codable, Equatable, Sendable {
        /// Mean cross-entropy.
        public var loss: Double
        /// In per cent.
        public var top1: Double
        /// In per cent.
        public var top5: Double
        public var seconds: Double

        public init(loss: Double, top1: Double, top5: Double, seconds: Double) {
            self.loss = loss
            self.top1 = top1
            self.top5 = top5
            self.seconds = seconds
        }

        fileprivate enum CodingKeys: String, CodingKey, CaseIterable {
            case loss = "testLoss"
            case top1 = "testTop1"
            case top5 = "testTop5"
            case seconds = "testSeconds"
        }
    }

    /// Whether a run can have recorded this.
    var isPossible: Bool {
        let trained = training.map {
            [$0.learningRate, $0.loss, $0.top1, $0.imagesPerSecond, $0.seconds] + ($0.imagesPerSecondByRank ?? [])
        }
        let tested = test.map { [$0.loss, $0.top1, $0.top5, $0.seconds] }
        guard epoch == 0 ? trained == nil && tested != nil : epoch > 0 && trained != nil else { return false }
        guard ternaryLayers?.allSatisfy(\.isPossible) != false else { return false }
        return ((trained ?? []) + (tested ?? [])).allSatisfy { $0.isFinite && $0 >= 0 && $0 < 1e15 }
    }
}

extension EpochMetrics: Codable {
    private enum EpochKey: CodingKey {
        case epoch, ternaryLayers
    }

    /// Throws `DecodingError` too where only some figures of the training or of the test are there.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: EpochKey.self)
        epoch = try container.decode(Int.self, forKey: .epoch)
        ternaryLayers = try container.decodeIfPresent([TernaryLayerFigures].self, forKey: .ternaryLayers)
        let trained = try decoder.container(keyedBy: Training.CodingKeys.self)
        let isTrained = Training.CodingKeys.allCases.contains { trained.contains($0) }
        training = isTrained ? try Training(from: decoder) : nil
        let tested = try decoder.container(keyedBy: Test.CodingKeys.self)
        let isTested = Test.CodingKeys.allCases.contains { tested.contains($0) }
        test = isTested ? try Test(from: decoder) : nil
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: EpochKey.self)
        try container.encode(epoch, forKey: .epoch)
        try container.encodeIfPresent(ternaryLayers, forKey: .ternaryLayers)
        try training?.encode(to: encoder)
        try test?.encode(to: encoder)
    }
}

extension [EpochMetrics] {
    /// The tested epoch of the highest top-1, the first of equals; nil where none was tested.
    public var best: EpochMetrics? {
        var best: EpochMetrics?
        for epoch in self where (epoch.test?.top1 ?? -1) > (best?.test?.top1 ?? -1) { best = epoch }
        return best
    }
}
