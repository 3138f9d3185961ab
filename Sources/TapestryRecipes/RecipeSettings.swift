import TapestryData
import TapestryFormats

extension Recipe {
    /// Every setting, in the order in which `config.yaml` lists them.
    static let fields: [Field<Recipe>] = [
        .integer("epochs", \.epochs, in: 1...1_000_000),
        .integer("batch-size", \.batchSize, in: 1...1_000_000),
        .bool("drop-last", \.dropLast),
        .choice("epoch-steps", \.epochSteps),
        .integer("test-batch-size", \.testBatchSize, in: 1...1_000_000),
        .integer("test-every", \.testEvery, in: 1...1_000_000),
        .integer("test-last", \.testLast, in: 1...1_000_000),
        .bool("test-before-training", \.testBeforeTraining),
        .optionalReal("target-accuracy", \.targetAccuracy, in: 0...100),
        .choice("optimizer", \.optimizer),
        .real("learning-rate", \.learningRate, in: 0...1e6),
        .real("momentum", \.momentum, in: 0...1),
        .bool("nesterov", \.nesterov),
        .real("beta1", \.beta1, in: 0...1),
        .real("beta2", \.beta2, in: 0...1),
        .real("epsilon", \.epsilon, in: 0...1),
        .real("weight-decay", \.weightDecay, in: 0...1e6),
        .choice("weight-decay-scope", \.weightDecayScope),
        .strings("no-weight-decay", \.noWeightDecay),
        .real("bias-learning-rate-factor", \.biasLearningRateFactor, in: 0...1e6),
        .bool("reset-optimizer", \.resetOptimizer),
        .choice("schedule", \.schedule),
        .choice("schedule-unit", \.scheduleUnit),
        .reals("milestones", \.milestones, in: 0...1),
        .integer("step-epochs", \.stepEpochs, in: 1...1_000_000),
        .real("decay-factor", \.decayFactor, in: 0...1e6),
        .real("warm-up-epochs", \.warmUpEpochs, in: 0...1e6),
        .real("label-smoothing", \.labelSmoothing, in: 0...1),
        .optionalReal("ema-decay", \.emaDecay, in: 0...1),
        .optionalReal("gradient-clip", \.gradientClip, in: 1e-30...1e30),
        .bool("sync-batch-norm", \.syncBatchNorm),
        .integer("crop-padding", \.cropPadding, in: 0...65_536),
        .bool("random-resized-crop", \.randomResizedCrop),
        .real("flip-probability", \.flipProbability, in: 0...1),
        .bool("flip-first", \.flipFirst),
        colorJitterField,
        .integer("cutout", \.cutout, in: 0...65_536),
        .optionalString("normalization", \.normalization, oneOf: Normalization.presetNames),
        .choice("resize-filter", \.resizeFilter),
        .real("center-crop-share", \.centerCropShare, in: InputSizing.shares),
    ]

    /// None, or four strengths, of which the hue's is at most half a turn.
    private static let colorJitterField: Field<Recipe> = {
        let numbers = Field<Recipe>.reals("color-jitter", \.colorJitter, in: 0...10)
        return Field(key: numbers.key, read: numbers.read) { recipe, value throws(SettingError) in
            var changed = recipe
            try numbers.write(&changed, value)
            let jitter = changed.colorJitter
            guard jitter.isEmpty || jitter.count == 4 && jitter[3] <= 0.5 else {
                throw Field<Recipe>.expected(
                    "[] or [brightness, contrast, saturation, hue], the hue at most 0.5", for: numbers.key, value)
            }
            recipe = changed
        }
    }()

    /// The recipe as a mapping of its settings.
    public var configuration: ConfigurationValue {
        ConfigurationValue(.mapping(Self.fields.map { .init(key: $0.key, value: $0.read(self)) }))
    }

    /// Sets one setting. Throws `SettingError` for one that does not exist or cannot have the value.
    public mutating func set(_ key: String, to value: ConfigurationValue) throws(SettingError) {
        guard let field = Self.fields.first(where: { $0.key == key }) else {
            throw SettingError(
                "a recipe has no setting \"\(key)\"; known are \(Self.fields.map(\.key).joined(separator: " "))",
                line: value.line)
        }
        try field.write(&self, value)
    }

    /// Sets every setting of a mapping.
    public mutating func apply(_ configuration: ConfigurationValue) throws(SettingError) {
        guard let members = configuration.members else {
            throw SettingError(
                "a recipe is a mapping of settings, not \(configuration.inline)", line: configuration.line)
        }
        for member in members { try set(member.key, to: member.value) }
    }
}
