import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites
import TapestryTestSupport
import Testing

/// A recorded count of the published program.
struct ScoringCase: Decodable, CustomTestStringConvertible, Sendable {
    struct Group: Decodable, Sendable {
        let type: String
        let biases: Int
        /// Scoring parameters by layer; none of the linear one.
        let layers: [Double]
        let params: Int
        let scoringParameters: Int
        let megabytes: Double
        let multiplications: Double
        let additions: Double

        private enum CodingKeys: String, CodingKey {
            case type, biases, layers, params, megabytes
            case scoringParameters = "scoring_params"
            case multiplications = "mults_M"
            case additions = "adds_M"
        }
    }

    struct Totals: Decodable, Sendable {
        let params: Int
        let scoringParameters: Int
        let megabytes: Double
        let multiplications: Double
        let additions: Double
        let operations: Double
        let sparsity: Double
        let allParameters: Int
        let zeros: Int

        private enum CodingKeys: String, CodingKey {
            case params, megabytes, sparsity
            case scoringParameters = "scoring_params"
            case multiplications = "mults_M"
            case additions = "adds_M"
            case operations = "flops_M"
            case allParameters = "all_parameters"
            case zeros = "zero_parameters"
        }
    }

    /// Of a part of a network.
    struct ExactCount: Decodable {
        let layers: Int
        let weights: Int
        let macs: Int
        let nonzeroWeights: Int

        private enum CodingKeys: String, CodingKey {
            case layers, weights
            case macs = "macs_dense"
            case nonzeroWeights = "nonzero_weights"
        }
    }

    /// Network, setting and bits: "micronet_c100_hash.committed.bits16".
    let name: String
    let bits: Int
    let imageSize: Int
    let groups: [Group]
    let totals: Totals

    private enum CodingKeys: String, CodingKey {
        case bits, groups, totals
        case name = "case"
        case imageSize = "image_size"
    }

    var testDescription: String { name }

    private struct File: Decodable {
        let cases: [ScoringCase]
        let exactCounts: [String: [String: ExactCount]]

        enum CodingKeys: String, CodingKey {
            case cases
            case exactCounts = "exact_counts"
        }
    }

    static func all() throws -> [ScoringCase] {
        let cases = try Fixtures.json("scoring.json", as: File.self).cases
        try #require(cases.count == 21)
        return cases
    }

    static func exactCounts() throws -> [String: [String: ExactCount]] {
        try Fixtures.json("scoring.json", as: File.self).exactCounts
    }
}

// MARK: - What was counted

extension ScoringCase {
    private var network: String { String(name.prefix { $0 != "." }) }

    var isOfCheckpoint: Bool { network.hasPrefix("resnet20") }

    /// As the setting's name says; committed ones are those that each family is published with.
    var switches: ScoringSwitches {
        let setting = name.split(separator: ".")[1]
        guard setting == "committed" else {
            return setting.split(separator: "_").reduce(into: []) { switches, word in
                switch word {
                case "ternary": switches.insert(.ternary)
                case "tree": switches.insert(.tree)
                case "cer": switches.insert(.cer)
                default: break
                }
            }
        }
        if network.hasPrefix("efficientnet") { return .ternary }
        return isOfCheckpoint ? [] : [.ternary, .tree, .cer]
    }

    /// The model, made or read anew, and the name that the program has for its network.
    func model() throws -> (model: Model, architecture: String) {
        switch network {
        case "resnet20_spars64", "resnet20_dense":
            let folder = try #require(ProcessInfo.processInfo.environment["TAPESTRY_CHECKPOINTS"])
            let file = network == "resnet20_dense" ? "resnet20.pt" : "resnet20_ec2t_spars64.pt"
            let graph = try Zoo.architecture(named: "ec2t/resnet20").graph()
            let weights = try StateDict.weights(of: graph, from: try Checkpoint.read("\(folder)/\(file)").tensors)
            return (try Model(graph: graph, weights: weights), "ec2t/resnet20")
        case "micronet_c100_hash", "micronet_c100_hash_symmetric":
            let rule = TernaryRule(zeroFraction: 0.9049, isSymmetric: network.hasSuffix("symmetric"))
            return try hashed("ec2t/micronet", ternarized: rule)
        case "resnet18_hash":
            return try hashed("ec2t/resnet18", ternarized: TernaryRule(zeroFraction: 0.59, isSymmetric: false))
        default:
            let words = network.split(separator: "_")
            try #require(
                words.count == 3 && words[0] == "efficientnet", "\(network) is no network that this test knows")
            return try hashed("ec2t/efficientnet-\(words[1])", size: imageSize, ternarized: nil)
        }
    }

    private func hashed(
        _ architecture: String, size: Int? = nil, ternarized rule: TernaryRule?
    ) throws -> (model: Model, architecture: String) {
        let graph = try Zoo.architecture(named: architecture).graph(NetworkOptions(imageSize: size))
        var weights = Weights.hashed(for: graph)
        if let rule {
            for (name, tensor) in weights.tensors where name.contains(".conv") {
                weights.tensors[name]?.elements = rule.ternarized(tensor.elements)
            }
        }
        return (try Model(graph: graph, weights: weights), architecture)
    }
}

/// How the recorded networks were made ternary.
private struct TernaryRule {
    /// The share of the weights, those of the smallest magnitude, that become zero.
    let zeroFraction: Double
    /// Whether both levels have the mean magnitude of all that is left, rounded to a multiple of 2^-10.
    let isSymmetric: Bool

    func ternarized(_ values: [Float]) -> [Float] {
        let threshold = values.map(abs).sorted()[Int(zeroFraction * Double(values.count))]
        func mean(_ kept: [Float]) -> Double { kept.reduce(0) { $0 + Double(abs($1)) } / Double(kept.count) }
        let kept = values.filter { abs($0) >= threshold }
        var positive = Float(mean(kept.filter { $0 > 0 }))
        var negative = Float(mean(kept.filter { $0 < 0 }))
        if isSymmetric {
            positive = Float((mean(kept) * 1024).rounded(.toNearestOrEven) / 1024)
            negative = positive
        }
        return values.map { abs($0) < threshold ? 0 : $0 > 0 ? positive : -negative }
    }
}
