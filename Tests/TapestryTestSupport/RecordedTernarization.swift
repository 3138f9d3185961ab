import TapestryCore
import TapestryModelFile
import Testing

/// Weights and what the published quantiser made of them, recorded.
public struct RecordedTernarization: Decodable, CustomTestStringConvertible, Sendable {
    /// Levels that start at a share of the extremes, and the assignment to the nearest.
    public struct Threshold: Decodable, Sendable {
        public let ini_c: Double
        public let w_p: Float
        public let w_n: Float
    }

    public struct KMeans: Decodable, Sendable {
        public let w_p: Float
        public let w_n: Float
    }

    /// Calls on drifting weights.
    public struct Sequence: Decodable, Sendable {
        public struct Call: Decodable, Sendable {
            public let call: Int
            public let w_p: Float
            public let w_n: Float
            public let lambda_out: Float
        }

        public let lambda_max_divider: Double
        public let lambda_decay: Double
        public let calls: [Call]
    }

    public struct Gradients: Decodable, Sendable {
        public let w_p: Float
        public let w_n: Float
        public let assignment: String
        public let grad_w_p: Float
        public let grad_w_n: Float
    }

    public let tensor: String
    public let threshold: [Threshold]
    public let kmeans: KMeans
    public let sequences: [Sequence]
    public let get_grads: Gradients

    public var testDescription: String { tensor }

    public static func all() throws -> [RecordedTernarization] {
        struct File: Decodable { let tensors: [RecordedTernarization] }
        return try Fixtures.json("ec2t_quantize.json", as: File.self).tensors
    }
}

/// The tensors of a file of recorded ternarizations.
public struct TernarizationTensors {
    private let tensors: [String: StoredTensor]

    public init(_ file: String) throws {
        let entries = try SafetensorsFile.read(Fixtures.path(file)).tensors.map { ($0.name, $0.tensor) }
        tensors = Dictionary(uniqueKeysWithValues: entries)
    }

    public func weights(_ name: String) throws -> [Float] { try #require(tensors[name]?.float32, "\(name)").elements }

    /// 0 negative, 1 zero, 2 positive.
    public func codes(_ name: String) throws -> [UInt8] {
        guard case .uint8(let tensor)? = tensors[name] else {
            Issue.record("\(name) is no tensor of bytes")
            return []
        }
        return tensor.elements
    }
}
