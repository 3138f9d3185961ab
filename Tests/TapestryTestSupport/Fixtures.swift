import Foundation
import TapestryCore
import TapestryModelFile
import Testing

/// The recorded results under Tests/Fixtures, which `Scripts/fixtures/reduce_conformance.py` writes.
public enum Fixtures {
    /// Found from this file's own place, since SwiftPM gives a target no resources outside its folder.
    public static func path(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(components: "Fixtures", name).path()
    }

    public static func json<Value: Decodable>(_ name: String, as type: Value.Type = Value.self) throws -> Value {
        try JSONDecoder().decode(type, from: Data(contentsOf: URL(filePath: path(name))))
    }

    /// The floating-point tensors of a safetensors file by name.
    public static func tensors(_ name: String) throws -> [String: Tensor<Float>] {
        let entries = try SafetensorsFile.read(path(name)).tensors.map { ($0.name, $0.tensor.float32) }
        return Dictionary(uniqueKeysWithValues: entries).compactMapValues { $0 }
    }
}

/// A network whose parameters are given by the hash rule, and what is known of it.
public struct HashNetwork: Decodable, CustomTestStringConvertible, Sendable {
    /// A row of the parameter table.
    public struct Row: Decodable, Sendable {
        /// The place in the state dict, running statistics counted.
        public let place: Int
        public let name: String
        public let kind: String
        public let shape: Shape
        public let fanIn: Int?
        /// Of the values, rounded to nine decimals.
        public let sum: Double

        public init(from decoder: any Decoder) throws {
            var row = try decoder.unkeyedContainer()
            place = try row.decode(Int.self)
            name = try row.decode(String.self)
            kind = try row.decode(String.self)
            shape = try row.decode(Shape.self)
            fanIn = try row.decodeIfPresent(Int.self)
            sum = try row.decode(Double.self)
        }
    }

    /// As recorded: "ask.resnet20.ASK_4a".
    public let network: String
    /// The name of the logits in logits_hash.safetensors.
    public let tensor: String
    /// N x C x H x W.
    public let input: Shape
    public let gain: Double
    public let logitsRMS: Double
    public let parametersTotal: Int
    /// Nil where another network has the same ones.
    public let parameters: [Row]?

    private enum CodingKeys: String, CodingKey {
        case network, tensor, input, gain, parameters
        case logitsRMS = "logits_rms"
        case parametersTotal = "parameters_total"
    }

    public var testDescription: String { network }

    /// Every network of the fixture.
    public static func all() throws -> [HashNetwork] {
        struct File: Decodable { let networks: [HashNetwork] }
        return try Fixtures.json("logits_hash.json", as: File.self).networks
    }
}
