import TapestryCore
import TapestryFormats
import TapestryRewrites

/// One document with everything: each run with its figures, its epochs and its settings; each network's layers; and the
/// settings that differ.
extension RunReport: Encodable {
    private enum CodingKeys: String, CodingKey { case runs, networks, differences }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(runs, forKey: .runs)
        try container.encode(networks, forKey: .networks)
        try container.encode(
            differences.map { difference in
                Difference(
                    setting: difference.setting,
                    values: zip(runs, difference.values).map { .init(run: $0.name, value: $1) })
            }, forKey: .differences)
    }

    private struct Difference: Encodable {
        struct Value: Encodable {
            let run: String
            let value: String?
        }

        let setting: String
        let values: [Value]
    }
}

extension ReportedRun: Encodable {
    private enum CodingKeys: String, CodingKey {
        case name, path, network, method, epochsDone, epochsAsked, last, best, lastFive, trainLoss, parameters, macs
        case imagesPerSecond, trainSeconds, testSeconds, epochs, configuration, quantized
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(record.folder.path, forKey: .path)
        try container.encode(record.architecture, forKey: .network)
        try container.encode(method, forKey: .method)
        try container.encode(epochsDone, forKey: .epochsDone)
        try container.encode(record.epochCount, forKey: .epochsAsked)
        try container.encodeIfPresent(last, forKey: .last)
        try container.encodeIfPresent(best, forKey: .best)
        try container.encodeIfPresent(lastFive, forKey: .lastFive)
        try container.encodeIfPresent(trainLoss, forKey: .trainLoss)
        try container.encodeIfPresent(network?.count.parameters, forKey: .parameters)
        try container.encodeIfPresent(network?.count.macs, forKey: .macs)
        try container.encodeIfPresent(imagesPerSecond, forKey: .imagesPerSecond)
        try container.encodeIfPresent(quantized?.best, forKey: .quantized)
        try container.encode(trainSeconds, forKey: .trainSeconds)
        try container.encode(testSeconds, forKey: .testSeconds)
        try container.encode(record.epochs, forKey: .epochs)
        try container.encode(JSONConfiguration(value: record.configuration), forKey: .configuration)
    }
}

extension RunReport.DistinctNetwork: Encodable {
    private struct Layer: Encodable {
        let name: String
        let kind: String
        let parameters: Int
        let macs: Int
        let output: [Int]
    }

    private enum CodingKeys: String, CodingKey { case title, runs, parameters, macs, layers }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(title, forKey: .title)
        try container.encode(runs.map(\.name), forKey: .runs)
        try container.encode(network.count.parameters, forKey: .parameters)
        try container.encode(network.count.macs, forKey: .macs)
        let layers = network.count.layers.map {
            Layer(name: $0.name, kind: $0.kind, parameters: $0.parameters, macs: $0.macs, output: $0.output.dimensions)
        }
        try container.encode(layers, forKey: .layers)
    }
}

/// A configuration's value as JSON. Numbers that JSON has not, infinities and NaN, become YAML's words for them.
private struct JSONConfiguration: Encodable {
    let value: ConfigurationValue

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        switch value.content {
        case .mapping(let members):
            var container = encoder.container(keyedBy: Key.self)
            for member in members {
                try container.encode(JSONConfiguration(value: member.value), forKey: Key(stringValue: member.key))
            }
        case .list(let values):
            var container = encoder.unkeyedContainer()
            for value in values { try container.encode(JSONConfiguration(value: value)) }
        case .null:
            var container = encoder.singleValueContainer()
            try container.encodeNil()
        case .bool(let value): try value.encode(to: encoder)
        case .integer(let value): try value.encode(to: encoder)
        case .real(let real) where !real.isFinite: try value.yaml.dropLast().description.encode(to: encoder)
        case .real(let value): try value.encode(to: encoder)
        case .string(let value): try value.encode(to: encoder)
        }
    }
}
