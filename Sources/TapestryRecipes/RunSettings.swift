import TapestryData
import TapestryFormats
import TapestryMethods

extension RunConfiguration {
    /// Every setting, in the order in which `config.yaml` lists them.
    static let fields: [Field<RunConfiguration>] = [
        .string("architecture", \.architecture),
        methodsField,
        .integer("classes", \.classes, in: 1...65_536),
        .integer("image-size", \.imageSize, in: 1...65_536),
        .integer("channels", \.channels, in: 1...65_536),
        .optionalReal("reduction", \.variant.reduction, in: 1...1024),
        .optionalChoice("reduction-mode", \.variant.reductionMode),
        .optionalReal("depth-multiplier", \.variant.depthMultiplier, in: 0.01...100),
        .optionalReal("width-multiplier", \.variant.widthMultiplier, in: 0.01...100),
        widthsField,
        .optionalReal("dropout", \.variant.dropout, in: 0...0.999_999),
        .bool("corrected", \.variant.isCorrected),
        .string("data", \.data),
        .choice("dataset", \.dataset),
        .optionalInteger("limit-train", \.trainingLimit, in: 1...Int.max),
        .optionalInteger("limit-test", \.testLimit, in: 1...Int.max),
        .optionalInteger("limit-unreadable", \.unreadableLimit, in: 0...Int.max),
        seedField,
        .choice("initial-weights", \.initialWeights),
        modelField,
        .string("device", \.device),
        .choice("precision", \.precision),
        .optionalChoice("engine", \.engine),
        .integer("threads", \.threads, in: 1...65_536),
        recipeField,
        ternarizationField,
    ]

    /// The text of `config.yaml`.
    public var yaml: String {
        ConfigurationValue(.mapping(Self.fields.map { .init(key: $0.key, value: $0.read(self)) })).yaml
    }

    /// Reads a `config.yaml`. Throws `ConfigurationError` naming file and line, or `InputNotFound`.
    public init(readingFrom path: String) throws {
        try self.init(parsing: try ConfigurationValue.read(path), file: path)
    }

    /// Reads the text of a `config.yaml`. Throws `ConfigurationError` naming `file` and line.
    public init(parsing text: String, file: String) throws {
        try self.init(parsing: try ConfigurationValue.parse(text, file: file), file: file)
    }

    private init(parsing values: ConfigurationValue, file path: String) throws {
        self.init(
            architecture: "", classes: 1, imageSize: 1, channels: 1, data: "", dataset: .cifar10, recipe: Recipe())
        for field in Self.fields {
            guard let value = values[field.key] else {
                // What need not be given need not stand there.
                if field.read(self).content == .null { continue }
                throw ConfigurationError(file: path, line: nil, reason: "has no \"\(field.key)\"")
            }
            do { try field.write(&self, value) } catch {
                throw ConfigurationError(file: path, line: error.line ?? value.line, reason: error.description)
            }
        }
    }

    /// Sets `initial-weights`, or a setting of the recipe. Throws `SettingError` for one that does not exist or cannot
    /// have the value.
    public mutating func set(_ key: String, to value: ConfigurationValue) throws(SettingError) {
        let own = Self.fields.first { $0.key == key && key == "initial-weights" }
        guard let own else { return try recipe.set(key, to: value) }
        try own.write(&self, value)
    }

    /// The first setting, of the run or of its recipe, that differs: its key and both values in one line.
    public func firstDifference(
        from other: RunConfiguration
    ) -> (key: String, ours: String, theirs: String)? {
        func difference<Root>(_ fields: [Field<Root>], _ ours: Root, _ theirs: Root) -> (String, String, String)? {
            for field in fields where field.key != "recipe" && field.read(ours) != field.read(theirs) {
                return (field.key, field.read(ours).inline, field.read(theirs).inline)
            }
            return nil
        }
        return difference(Self.fields, self, other) ?? difference(Recipe.fields, recipe, other.recipe)
    }

    private static let methodsField = Field<RunConfiguration>(
        key: "methods",
        read: { configuration in
            ConfigurationValue(
                .list(
                    configuration.methods.map { rule in
                        .mapping([
                            "layers": ConfigurationValue(.string(rule.pattern)),
                            "method": ConfigurationValue(.string(rule.method)),
                        ])
                    }))
        },
        write: { configuration, value throws(SettingError) in
            guard let rules = value.methodRules else {
                throw Field<RunConfiguration>.expected(RunRecord.expectedMethods, for: "methods", value)
            }
            configuration.methods = rules.map { MethodAssignment.Rule(pattern: $0.layers, method: $0.method) }
        })

    private static let widthsField = Field<RunConfiguration>(
        key: "widths",
        read: { configuration in
            let widths = configuration.variant.widths?.map { ConfigurationValue(.integer($0)) }
            return ConfigurationValue(widths.map { .list($0) } ?? .null)
        },
        write: { configuration, value throws(SettingError) in
            let widths = value.list?.compactMap(\.integer)
            guard value.content == .null || widths?.count == value.list?.count else {
                throw Field<RunConfiguration>.expected("null or a list of whole numbers", for: "widths", value)
            }
            configuration.variant.widths = widths
        })

    /// A seed has 64 bits, one more than YAML's integers here.
    private static let seedField = Field<RunConfiguration>(
        key: "seed", read: { ConfigurationValue(.string(String($0.seed))) },
        write: { configuration, value throws(SettingError) in
            guard let seed = value.string.flatMap({ UInt64($0) }) ?? value.integer.flatMap({ UInt64(exactly: $0) })
            else {
                throw Field<RunConfiguration>.expected("a whole number from 0", for: "seed", value)
            }
            configuration.seed = seed
        })

    private static let modelField = Field<RunConfiguration>(
        key: "model", read: { ConfigurationValue($0.model.map { .string($0) } ?? .null) },
        write: { configuration, value throws(SettingError) in
            guard value.content == .null || value.string?.isEmpty == false else {
                throw Field<RunConfiguration>.expected("null or the path of a file", for: "model", value)
            }
            configuration.model = value.string
        })

    private static let ternarizationField = Field<RunConfiguration>(
        key: "ternarization", read: { $0.ternarization?.configuration ?? ConfigurationValue(.null) },
        write: { configuration, value throws(SettingError) in
            configuration.ternarization = value.content == .null ? nil : try TernarizationSettings(value)
        })

    private static let recipeField = Field<RunConfiguration>(
        key: "recipe", read: { $0.recipe.configuration },
        write: { configuration, value throws(SettingError) in try configuration.recipe.apply(value) })
}
