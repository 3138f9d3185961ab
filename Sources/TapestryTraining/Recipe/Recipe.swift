/// How a network is trained: everything but the network, the data and the machine.
///
/// The defaults are ASK's published recipe. Each property is a setting of the same name in kebab case, which a YAML file
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

    public var epochs = 160
    public var batchSize = 64
    /// Images a step of evaluation takes.
    public var testBatchSize = 256
    /// Leaves out an epoch's last, smaller batch.
    public var dropLast = false

    public var optimizer = OptimizerKind.sgd
    public var learningRate = 0.1
    public var momentum = 0.9
    public var nesterov = false
    public var beta1 = 0.9
    public var beta2 = 0.999
    public var epsilon = 1e-8
    public var weightDecay = 1e-4
    public var weightDecayScope = WeightDecayScope.all
    /// Multiplies the learning rate of every parameter called `bias`, batch norms' included.
    public var biasLearningRateFactor = 1.0

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

    /// Zeros around the image before a crop of its own size; 0 for no crop.
    public var cropPadding = 4
    /// Crops of random area and proportions, resized, in place of the padded crop.
    public var randomResizedCrop = false
    public var flipProbability = 0.5
    /// Strengths of brightness, contrast, saturation and hue; empty for none.
    public var colorJitter: [Double] = []
    /// The side of a square hole; 0 for none.
    public var cutout = 0
    /// The name of a preset that turns pixels into the network's inputs; nil for the data set's own.
    public var normalization: String?

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
}
