import TapestryRewrites

/// What `tapestry score` says of a model.
struct ScoreReport {
    let convention: String
    let bits: Int
    let task: ScoringTask
    let score: Score
    let storage: StorageComparison
}

// MARK: - As JSON, by the contract

extension ScoreReport: Encodable {
    private struct Layer: Encodable {
        let name: String
        let parameters: Int
        let nonzeros: Int
        let ternary: Bool
        let deadOutputs: Int
        let scoringParameters: Double
        let format: String?
        let multiplications: Double
        let additions: Double

        enum CodingKeys: String, CodingKey {
            case name, parameters, nonzeros, ternary, format, multiplications, additions
            case deadOutputs = "dead_outputs"
            case scoringParameters = "scoring_parameters"
        }
    }

    private struct Group: Encodable {
        let name: String
        let parameters: Int
        let scoringParameters: Double
        let bytes: Double
        let multiplications: Double
        let additions: Double
        let layers: [Layer]

        enum CodingKeys: String, CodingKey {
            case name, parameters, bytes, multiplications, additions, layers
            case scoringParameters = "scoring_parameters"
        }
    }

    private struct StoredLayer: Encodable {
        let name: String
        let weights: Int
        let nonzeros: Int
        let ternary: Bool
        let bytes: [String: Double]
    }

    private enum CodingKeys: String, CodingKey {
        case convention, bits, task, parameters, sparsity, bytes, multiplications, additions, operations, score, groups
        case storage, departures
        case scoringParameters = "scoring_parameters"
        case storageLayers = "storage_layers"
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(convention, forKey: .convention)
        try container.encode(bits, forKey: .bits)
        try container.encode(task.rawValue, forKey: .task)
        try container.encode(score.parameters, forKey: .parameters)
        try container.encode(score.sparsity, forKey: .sparsity)
        try container.encode(score.scoringParameters, forKey: .scoringParameters)
        try container.encode(score.bytes, forKey: .bytes)
        try container.encode(score.multiplications, forKey: .multiplications)
        try container.encode(score.additions, forKey: .additions)
        try container.encode(score.operations, forKey: .operations)
        try container.encode(score.value(for: task), forKey: .score)
        try container.encode(score.groups.map(Self.group), forKey: .groups)
        var totals = Self.keyed(storage.bytes)
        totals["smallest"] = storage.smallest
        try container.encode(totals, forKey: .storage)
        let stored = storage.layers.map {
            StoredLayer(
                name: $0.name, weights: $0.count, nonzeros: $0.nonzeros, ternary: $0.isTernary,
                bytes: Self.keyed($0.bytes))
        }
        try container.encode(stored, forKey: .storageLayers)
        try container.encode(score.departures, forKey: .departures)
    }

    private static func group(_ group: Score.Group) -> Group {
        Group(
            name: group.name, parameters: group.parameters, scoringParameters: group.scoringParameters,
            bytes: group.bytes, multiplications: group.multiplications, additions: group.additions,
            layers: group.layers.map {
                Layer(
                    name: $0.name, parameters: $0.parameters, nonzeros: $0.nonzeros, ternary: $0.isTernary,
                    deadOutputs: $0.deadOutputs, scoringParameters: $0.scoringParameters,
                    format: $0.format?.rawValue, multiplications: $0.multiplications, additions: $0.additions)
            })
    }

    private static func keyed(_ bytes: [StorageFormat: Double]) -> [String: Double] {
        Dictionary(uniqueKeysWithValues: bytes.map { ($0.key.rawValue, $0.value) })
    }
}

// MARK: - As tables

extension ScoreReport {
    func text(withLayers: Bool) -> String {
        let parts = [groupTable, scoreLines] + (withLayers ? [layerTable] : []) + [storageTable, departureLines]
        return parts.joined(separator: "\n")
    }

    private var groupTable: String {
        var table = Table(
            ("group", .left), ("layers", .right), ("parameters", .right), ("scoring parameters", .right),
            ("bytes", .right), ("multiplications", .right), ("additions", .right))
        for group in score.groups {
            table.append(
                group.name, group.layers.isEmpty ? "–" : group.layers.count.grouped, group.parameters.grouped,
                group.scoringParameters.groupedWhole, group.bytes.groupedWhole, group.multiplications.groupedWhole,
                group.additions.groupedWhole)
        }
        table.rule()
        table.append(
            "total", "", score.parameters.grouped, score.scoringParameters.groupedWhole, score.bytes.groupedWhole,
            score.multiplications.groupedWhole, score.additions.groupedWhole)
        return table.text
    }

    private var scoreLines: String {
        let parameters = score.scoringParameters / task.referenceParameters
        let operations = score.operations / task.referenceOperations
        return """
            Score \(score.value(for: task).significant(4)) (\(task.rawValue)): \
            \(score.scoringParameters.groupedWhole) parameters of 32 bits are \(parameters.significant(4)), \
            \(score.operations.groupedWhole) operations of 32 bits \(operations.significant(4))
            \((100 * score.sparsity).percent) of all \(score.allParameters.grouped) parameters are zero

            """
    }

    private var layerTable: String {
        var table = Table(
            ("layer", .left), ("weights", .right), ("not zero", .right), ("ternary", .left), ("dense", .right),
            ("mask", .right), ("two masks", .right), ("mask, signs", .right), ("CSR", .right), ("CER", .right),
            ("entropy bound", .right))
        for layer in storage.layers {
            func bytes(_ format: StorageFormat) -> String { layer.bytes[format]?.groupedWhole ?? "–" }
            table.append(
                layer.name, layer.count.grouped, layer.nonzeros.grouped, layer.isTernary ? "yes" : "no", bytes(.dense),
                bytes(.mask), bytes(.twoMasks), bytes(.maskAndSigns), bytes(.csr), bytes(.cer), bytes(.entropy))
        }
        return table.text
    }

    private var storageTable: String {
        var table = Table(("all layers stored as", .left), ("bytes", .right))
        for format in StorageFormat.allCases {
            guard let bytes = storage.bytes[format] else { continue }
            table.append(format.title, bytes.groupedWhole)
        }
        table.append("each in its smallest", storage.smallest.groupedWhole)
        return table.text
    }

    private var departureLines: String {
        let other = convention == "exact" ? "published" : "exact"
        return "How the \(convention) convention departs from the \(other) one:\n"
            + score.departures.map { "  - \($0)\n" }.joined()
    }
}

extension StorageFormat {
    fileprivate var title: String {
        switch self {
        case .dense: "dense"
        case .mask: "mask"
        case .twoMasks: "two masks"
        case .maskAndSigns: "mask and signs"
        case .csr: "compressed sparse rows (CSR)"
        case .cer: "compressed entropy rows (CER)"
        case .entropy: "zero-order entropy, a bound"
        }
    }
}
