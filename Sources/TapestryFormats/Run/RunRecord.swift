/// What the folder of a run tells of it: what was asked for, and what each epoch came to. To read it takes nothing of
/// what trains.
public struct RunRecord: Sendable {
    /// A line of `methods` in `config.yaml`: the layers whose names match the pattern get the method.
    public struct MethodRule: Equatable, Sendable {
        public let layers: String
        public let method: String
    }

    public let folder: RunFolder
    /// All of `config.yaml`.
    public let configuration: ConfigurationValue
    /// `family/network`, or the path of a model file.
    public let architecture: String
    /// None for the network as it is.
    public let methods: [MethodRule]
    /// How many epochs were asked for.
    public let epochCount: Int
    /// One for each epoch that has ended.
    public let epochs: [EpochMetrics]

    /// Throws: `InputNotFound` if the folder holds no run; `ConfigurationError` and `FormatError` if a file of it is
    /// damaged or not of a run.
    public init(readingFrom folder: RunFolder) throws {
        let file = folder.configuration
        let configuration = try ConfigurationValue.read(file)
        func failure(_ key: String, _ value: ConfigurationValue?, _ expected: String) -> ConfigurationError {
            ConfigurationError(
                file: file, line: value?.line, reason: value == nil ? "has no \"\(key)\"" : "\(key) must be \(expected)"
            )
        }
        guard let architecture = configuration["architecture"]?.string, !architecture.isEmpty else {
            throw failure("architecture", configuration["architecture"], "a text")
        }
        guard let methods = configuration["methods"]?.methodRules else {
            throw failure("methods", configuration["methods"], Self.expectedMethods)
        }
        let epochs = configuration["recipe"]?["epochs"]
        guard let epochCount = epochs?.integer, epochCount > 0 else {
            throw failure("recipe: epochs", epochs, "a whole number from 1")
        }
        self.folder = folder
        self.configuration = configuration
        self.architecture = architecture
        self.methods = methods
        self.epochCount = epochCount
        self.epochs = try folder.readMetrics()
    }

    /// What the setting `methods` is, for messages.
    package static let expectedMethods = "a list of \"layers\" and \"method\""
}

extension ConfigurationValue {
    /// The rules of the setting `methods`; nil if this is not a list of such.
    package var methodRules: [RunRecord.MethodRule]? {
        let rules = list?.compactMap { item in
            item["layers"]?.string.flatMap { layers in
                item["method"]?.string.map { RunRecord.MethodRule(layers: layers, method: $0) }
            }
        }
        return rules?.count == list?.count ? rules : nil
    }
}
