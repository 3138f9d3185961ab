import TapestryData

/// How a network is trained: everything but the network, the data and the machine.
///
/// The defaults are ASK's published recipe; `Recipes` has the others. Each property is a setting of the same name in kebab case, which a YAML file
/// or `--set key=value` overrides.
public struct Recipe: Hashable, Sendable {
    public enum OptimizerKind: String, CaseIterable, Sendable {
        case sgd, adam, adamw
    }

    public enum ScheduleKind: String, CaseIterable, Sendable {
        case constant, step
        case multiStep = "multi-step"
        case cosine, linear
    }

    public enum ScheduleUnit: String, CaseIterable, Sendable {
        case epoch, step
    }

    /// What weight decay acts on.
    public enum WeightDecayScope: String, CaseIterable, Sendable {
        /// Every parameter, as the published systems have it.
        case all
        /// Weights of convolutions and linear layers; no biases, no batch norms.
        case weights
    }

    /// How many steps an epoch has.
    public enum EpochSteps: String, CaseIterable, Sendable {
        /// One for each batch of a pass over the images.
        case allBatches = "all-batches"
        /// One for each whole batch that the images make, at least one. A pass goes on across the end of an epoch: its
        /// last, smaller batch is the next epoch's first.
        case wholeBatches = "whole-batches"
    }

    public var epochs = 160
    public var batchSize = 64
    /// Leaves out a pass's last, smaller batch.
    public var dropLast = false
    public var epochSteps = EpochSteps.allBatches

    /// Images a step of evaluation takes.
    public var testBatchSize = 256
    /// Test after every so many epochs.
    public var testEvery = 1
    /// Test after each of the last so many epochs, too.
    public var testLast = 1
    /// Test the untrained network, which then is the first to beat.
    public var testBeforeTraining = false

    /// The top-1 accuracy in per cent at which training ends, be there epochs left; nil to train them all.
    public var targetAccuracy: Double?

    public var optimizer = OptimizerKind.sgd
    public var learningRate = 0.1
    public var momentum = 0.9
    public var nesterov = false
    public var beta1 = 0.9
    public var beta2 = 0.999
    public var epsilon = 1e-8
    public var weightDecay = 1e-4
    public var weightDecayScope = WeightDecayScope.all
    /// Parameters whose name contains one of these have no weight decay.
    public var noWeightDecay: [String] = []
    /// Multiplies the learning rate of every parameter called `bias`, batch norms' included.
    public var biasLearningRateFactor = 1.0
    /// Begins every epoch with a new optimiser: momentum starts from zero each time.
    public var resetOptimizer = false

    public var schedule = ScheduleKind.multiStep
    /// Whether the rate moves with every step or only between epochs: the same where milestones fall between epochs.
    public var scheduleUnit = ScheduleUnit.epoch
    /// Shares of the run, for `multi-step`.
    public var milestones = [0.5, 0.75]
    /// For `step`.
    public var stepEpochs = 30
    /// What the rate is multiplied by, for `step` and `multi-step`.
    public var decayFactor = 0.1
    public var warmUpEpochs = 0.0

    public var labelSmoothing = 0.0
    /// The decay of an exponential moving average of the parameters, which then is what is evaluated and kept.
    public var emaDecay: Double?
    /// The largest global norm of the gradient.
    public var gradientClip: Double?
    /// Whether batch norms take mean and variance over the images of all processes, and not of each by itself.
    public var syncBatchNorm = false

    /// Zeros around the image before a crop of its own size; 0 for no crop.
    public var cropPadding = 4
    /// Crops of random area and proportions, resized, in place of the padded crop.
    public var randomResizedCrop = false
    public var flipProbability = 0.5
    /// Flips before the crop. The images' distribution is the same; which of them are drawn is not.
    public var flipFirst = false
    /// Strengths of brightness, contrast, saturation and hue; empty for none.
    public var colorJitter: [Double] = []
    /// The side of a square hole; 0 for none.
    public var cutout = 0
    /// The name of a preset that turns pixels into the network's inputs; nil for the data set's own.
    public var normalization: String?
    /// What resizes images of other sizes than the network's; random resized crops are always bilinear.
    public var resizeFilter = ResamplingFilter.bilinear
    /// Of images that differ in size: the side of the central crop over the shorter side of the resized image.
    public var centerCropShare = 0.875

    public init() {}

    public var learningRateSchedule: LearningRateSchedule {
        let shape: LearningRateSchedule.Shape =
            switch schedule {
            case .constant: .constant
            case .step: .step(epochs: stepEpochs, factor: decayFactor)
            case .multiStep: .multiStep(milestones: milestones, factor: decayFactor)
            case .cosine: .cosine
            case .linear: .linear
            }
        return LearningRateSchedule(shape: shape, warmUpEpochs: warmUpEpochs, movesEachStep: scheduleUnit == .step)
    }

    /// How images come to the network's size where nothing is random.
    public var inputSizing: InputSizing { InputSizing(filter: resizeFilter, centerCropShare: centerCropShare) }

    /// Whether the network is tested after so many epochs. The last one always is.
    public func isTested(afterEpoch epoch: Int) -> Bool {
        if epoch == 0 { return testBeforeTraining }
        return epoch % testEvery == 0 || epoch > epochs - testLast
    }
}
