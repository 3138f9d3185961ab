import TapestryFormats
import TapestryMethods

/// How a run ternarizes or prunes some of its network's layers: `ternarization` in its `config.yaml`.
public struct TernarizationSettings: Hashable, Sendable {
    /// How weights that are not assigned zero are kept.
    public enum Mode: String, CaseIterable, Sendable {
        /// At their layer's two levels.
        case ternarize
        /// As they are.
        case prune
    }

    /// Where the levels of a layer start.
    public enum Start: String, CaseIterable, Sendable {
        case threshold, kmeans
        /// The layers are ternary already.
        case asTheyAre = "as-they-are"
    }

    /// The layers that are quantised, by name.
    public var layers: [String] = []
    /// The layers whose weights stay what they are, having been quantised before.
    public var fixedLayers: [String] = []
    public var mode = Mode.ternarize
    public var reading = TernarizationReading.published
    public var start = Start.threshold
    /// Of a threshold: the levels as a share of the extreme weights (`--ini-c-divrs`).
    public var startShare = 0.3
    /// Of k-means.
    public var centroids = 3
    /// The entropy constraint as a share of the largest (`--lambda-max-divrs`).
    public var lambdaShare = 0.15
    /// Whether layers that no batch norm follows get a factor for each output channel before they are quantised.
    public var scalesChannels = false
    /// After so many epochs the best network's assignment stands still.
    public var assigningEpochs = 20
    /// Of the levels; zero leaves them where they are.
    public var levelLearningRate = 1e-5

    public init() {}

    public var method: Ternarization { Ternarization(reading: reading, keepsMagnitudes: mode == .prune) }

    public var startingLevels: TernaryStart {
        switch start {
        case .threshold: .scaled(startShare)
        case .kmeans: .kMeans(centroids: centroids)
        case .asTheyAre: .asTheyAre
        }
    }
}

extension TernarizationSettings {
    /// Every setting, in the order in which `config.yaml` lists them.
    static let fields: [Field<TernarizationSettings>] = [
        .choice("mode", \.mode),
        .strings("layers", \.layers),
        .strings("fixed-layers", \.fixedLayers),
        .choice("reading", \.reading),
        .choice("start", \.start),
        .real("start-share", \.startShare, in: 0...1000),
        .integer("centroids", \.centroids, in: 3...256),
        .real("lambda-share", \.lambdaShare, in: 0...1000),
        .bool("channel-scales", \.scalesChannels),
        .integer("assigning-epochs", \.assigningEpochs, in: 0...1_000_000),
        .real("level-learning-rate", \.levelLearningRate, in: 0...1e6),
    ]

    var configuration: ConfigurationValue {
        ConfigurationValue(.mapping(Self.fields.map { .init(key: $0.key, value: $0.read(self)) }))
    }

    /// Throws `SettingError` for a setting that does not exist or cannot have its value.
    init(_ configuration: ConfigurationValue) throws(SettingError) {
        guard let members = configuration.members else {
            throw SettingError("ternarization must be null or a mapping of settings", line: configuration.line)
        }
        self.init()
        for member in members {
            guard let field = Self.fields.first(where: { $0.key == member.key }) else {
                throw SettingError("ternarization has no setting \"\(member.key)\"", line: member.value.line)
            }
            try field.write(&self, member.value)
        }
    }
}
