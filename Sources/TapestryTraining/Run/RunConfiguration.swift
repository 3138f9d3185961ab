import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods

/// Everything that determines a run, as `config.yaml` in its folder holds it.
public struct RunConfiguration: Equatable, Sendable {
    public enum Precision: String, CaseIterable, Sendable {
        case fp32
        /// bfloat16 where that is safe (autocast); parameters, batch-norm statistics and the loss stay float32.
        case bf16
    }

    public enum InitialWeights: String, CaseIterable, Sendable {
        /// What the network's paper says, drawn from the seed.
        case random
        /// The hash rule of `Weights.hashed(for:gain:)`, for comparison with other programs.
        case hash
    }

    /// `family/network`, or the path of a model file whose graph is taken.
    public var architecture: String
    /// Methods by layer; empty for the network as it is.
    public var methods: [MethodAssignment.Rule] = []
    public var classes: Int
    public var imageSize: Int
    public var channels: Int

    /// The data set's directory.
    public var data: String
    public var dataset: DatasetKind
    /// Take only the first images of the training split.
    public var trainingLimit: Int?
    /// Take only the first images of the test split.
    public var testLimit: Int?

    public var seed: UInt64 = 1
    public var initialWeights = InitialWeights.random
    /// "cpu" or "cuda:0".
    public var device = "cpu"
    public var precision = Precision.fp32
    public var recipe: Recipe

    public init(
        architecture: String, classes: Int, imageSize: Int, channels: Int, data: String, dataset: DatasetKind,
        recipe: Recipe
    ) {
        self.architecture = architecture
        self.classes = classes
        self.imageSize = imageSize
        self.channels = channels
        self.data = data
        self.dataset = dataset
        self.recipe = recipe
    }
}

extension RunConfiguration {
    /// The text of `config.yaml`.
    public var yaml: String {
        func optional(_ value: Int?) -> ConfigurationValue { ConfigurationValue(value.map { .integer($0) } ?? .null) }
        return ConfigurationValue.mapping([
            "architecture": ConfigurationValue(.string(architecture)),
            "methods": ConfigurationValue(.list(methods.map(\.configuration))),
            "classes": ConfigurationValue(.integer(classes)),
            "image-size": ConfigurationValue(.integer(imageSize)),
            "channels": ConfigurationValue(.integer(channels)),
            "data": ConfigurationValue(.string(data)),
            "dataset": ConfigurationValue(.string(dataset.rawValue)),
            "limit-train": optional(trainingLimit),
            "limit-test": optional(testLimit),
            "seed": ConfigurationValue(.string(String(seed))),
            "initial-weights": ConfigurationValue(.string(initialWeights.rawValue)),
            "device": ConfigurationValue(.string(device)),
            "precision": ConfigurationValue(.string(precision.rawValue)),
            "recipe": recipe.configuration,
        ]).yaml
    }

    /// Reads a `config.yaml`. Throws `ConfigurationError` naming file and line, or `InputNotFound`.
    public init(readingFrom path: String) throws {
        let values = try ConfigurationValue.read(path)
        func value<Result>(_ key: String, _ convert: (ConfigurationValue) -> Result?) throws -> Result {
            guard let value = values[key] else {
                throw ConfigurationError(file: path, line: nil, reason: "has no \"\(key)\"")
            }
            guard let result = convert(value) else {
                throw ConfigurationError(file: path, line: value.line, reason: "\(key) cannot be \(value.inline)")
            }
            return result
        }
        func limit(_ value: ConfigurationValue) -> Int?? {
            value.content == .null ? .some(nil) : value.integer.map { .some($0) }
        }
        var recipe = Recipe()
        do { try recipe.apply(try value("recipe") { $0 }) } catch let error as SettingError {
            throw ConfigurationError(file: path, line: error.line, reason: error.description)
        }
        self.init(
            architecture: try value("architecture", \.string), classes: try value("classes", \.integer),
            imageSize: try value("image-size", \.integer), channels: try value("channels", \.integer),
            data: try value("data", \.string),
            dataset: try value("dataset") { $0.string.flatMap(DatasetKind.init(rawValue:)) }, recipe: recipe)
        methods = try value("methods") { value in
            guard let list = value.list else { return nil }
            let rules = list.compactMap(MethodAssignment.Rule.init)
            return rules.count == list.count ? rules : nil
        }
        trainingLimit = try value("limit-train", limit)
        testLimit = try value("limit-test", limit)
        seed = try value("seed") { $0.string.flatMap { UInt64($0) } ?? $0.integer.flatMap { UInt64(exactly: $0) } }
        initialWeights = try value("initial-weights") { $0.string.flatMap(InitialWeights.init(rawValue:)) }
        device = try value("device", \.string)
        precision = try value("precision") { $0.string.flatMap(Precision.init(rawValue:)) }
    }
}

extension MethodAssignment.Rule {
    fileprivate var configuration: ConfigurationValue {
        .mapping([
            "layers": ConfigurationValue(.string(pattern)), "method": ConfigurationValue(.string(method)),
        ])
    }

    fileprivate init?(_ configuration: ConfigurationValue) {
        guard let pattern = configuration["layers"]?.string, let method = configuration["method"]?.string else {
            return nil
        }
        self.init(pattern: pattern, method: method)
    }
}

extension RunConfiguration {
    /// The network with its methods. Throws `UnknownArchitecture`, `GraphError`, `MethodError`, or what reading a model
    /// file throws.
    public func graph() throws -> Graph {
        let dense: Graph
        if let architecture = try? Zoo.architecture(named: architecture) {
            dense = try architecture.graph(
                NetworkOptions(classes: classes, imageSize: imageSize, channels: channels))
        } else {
            dense = try ModelFile.read(architecture).graph
        }
        return methods.isEmpty ? dense : try MethodAssignment(rules: methods).apply(to: dense)
    }
}

extension RunConfiguration {
    /// The methods in one line: `ask:ASK_5a`, `layer1.*=ask:ASK_2 *=dense`, or `dense`.
    public var methodText: String {
        let rules = methods.map { $0.pattern == "*" ? $0.method : "\($0.pattern)=\($0.method)" }
        return rules.isEmpty ? "dense" : rules.joined(separator: " ")
    }

    /// Sets `initial-weights`, or a setting of the recipe. Throws `SettingError` for one that does not exist or cannot
    /// have the value.
    public mutating func set(_ key: String, to value: ConfigurationValue) throws(SettingError) {
        guard key == "initial-weights" else { return try recipe.set(key, to: value) }
        try Field<RunConfiguration>.choice(key, \.initialWeights).write(&self, value)
    }
}
