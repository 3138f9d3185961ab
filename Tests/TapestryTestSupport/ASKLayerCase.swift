import TapestryCore
import Testing

/// A recorded layer of the published ASK code: nine shapes, stride 1 and 2.
public struct ASKLayerCase: Decodable, CustomTestStringConvertible, Sendable {
    public let name: String
    private let inputChannels: Int
    private let outputChannels: Int
    private let stride: Int
    private let sets: [[Int]]

    private enum CodingKeys: String, CodingKey {
        case stride
        case name = "case"
        case inputChannels = "in_channels"
        case outputChannels = "out_channels"
        case sets = "groups_of_taps"
    }

    public var testDescription: String { name }

    public static func all() throws -> [ASKLayerCase] {
        struct File: Decodable { let cases: [ASKLayerCase] }
        return try Fixtures.json("ask_layer.json", as: File.self).cases
    }

    public static func tensors() throws -> [String: Tensor<Float>] { try Fixtures.tensors("ask_layer.safetensors") }

    public var convolution: Convolution {
        get throws {
            Convolution(
                inputChannels: inputChannels, outputChannels: outputChannels, kernel: .square(3),
                stride: .square(stride),
                padding: .all(1), support: .tapSets(try sets.map { try TapSet(numbers: $0) }))
        }
    }

    public func storedWeights(_ tensors: [String: Tensor<Float>]) throws -> [Tensor<Float>] {
        try convolution.storedWeights.map { try #require(tensors["\(name).\($0.suffix)"]) }
    }
}
