import TapestryCore
import Testing

/// A layer of published code with its values and gradients, recorded.
public protocol RecordedLayer: Decodable, CustomTestStringConvertible, Sendable {
    static var file: String { get }
    var name: String { get }
}

extension RecordedLayer {
    public var testDescription: String { name }

    public static func all() throws -> [Self] {
        try Fixtures.json("\(file).json", as: Cases<Self>.self).cases
    }

    /// The tensors of this layer, by their names without the layer's.
    public func tensors() throws -> [String: Tensor<Float>] {
        let own = try Fixtures.tensors("\(Self.file).safetensors").filter { $0.key.hasPrefix("\(name).") }
        return Dictionary(uniqueKeysWithValues: own.map { (String($0.key.dropFirst(name.count + 1)), $0.value) })
    }
}

private struct Cases<Layer: Decodable>: Decodable { let cases: [Layer] }

/// 16 channels to 32 in P parts, 3x3, padding 1.
public struct HetConvCase: RecordedLayer {
    public static let file = "hetconv"

    public let name: String
    public let parts: Int
    public let inputChannels: Int
    public let outputChannels: Int

    private enum CodingKeys: String, CodingKey {
        case name = "case"
        case parts = "P"
        case inputChannels = "in_channels"
        case outputChannels = "out_channels"
    }

    public var convolution: Convolution {
        Convolution(
            inputChannels: inputChannels, outputChannels: outputChannels, kernel: .square(3), padding: .all(1),
            support: .blockDiagonal(parts: parts))
    }

    /// What a convolution called "layer" stores, from the tensors whose names end in `suffix`. The published 1x1 weights
    /// hold zeros where the grouped 3x3 convolution is, which are not stored.
    public func stored(_ suffix: String, of tensors: [String: Tensor<Float>]) throws -> [String: Tensor<Float>] {
        var stored = ["layer.gwc.weight": try #require(tensors["gwc.\(suffix)"])]
        let pointwise = try #require(tensors["pwc.\(suffix)"])
        guard parts > 1 else { return stored }
        let elements = pointwise.elements.indices.filter { index in
            let (output, input) = (index / inputChannels, index % inputChannels)
            return output / (outputChannels / parts) != input / (inputChannels / parts)
        }.map { pointwise.elements[$0] }
        stored["layer.pwc.weight"] = Tensor(
            shape: [outputChannels, inputChannels - inputChannels / parts, 1, 1], elements: elements)
        return stored
    }
}

/// An asymmetric convolution block of 4 channels to 6, before a step of training and after.
public struct ACBCase: RecordedLayer {
    public static let file = "acb"

    public let name: String
    private let kernel: Int
    private let padding: Int
    private let stride: Int
    private let groups: Int
    private let inputChannels: Int
    private let outputChannels: Int

    private enum CodingKeys: String, CodingKey {
        case kernel, padding, stride, groups
        case name = "case"
        case inputChannels = "in_channels"
        case outputChannels = "out_channels"
    }

    public static let batchNorms = ["square_bn", "ver_bn", "hor_bn"]
    /// What is trained, by its name within the block.
    public static let parameters =
        ["square_conv.weight", "ver_conv.weight", "hor_conv.weight"]
        + batchNorms.flatMap { ["\($0).weight", "\($0).bias"] }

    /// The convolution and batch norm that it stands for: "layer.conv" and "layer.bn".
    public func plainGraph() throws -> Graph {
        let input = try #require(try tensors()["x"]).shape
        return try Graph.build(input: Shape(Array(input.dimensions.dropFirst()))) {
            $0.convolution(
                "layer.conv", to: outputChannels, kernel: kernel, stride: stride, padding: padding, groups: groups
            ).batchNorm("layer.bn")
        }
    }

    /// The block's weights as a layer called "layer" has them, with the running statistics after the step or before.
    public func weights(_ tensors: [String: Tensor<Float>], afterStep: Bool) throws -> Weights {
        var weights = Weights()
        func place(_ name: String, from recorded: String) throws {
            let tensor: Tensor<Float> = try #require(tensors[recorded])
            weights.tensors["layer.\(name)"] = tensor
        }
        for name in Self.parameters { try place(name, from: name) }
        for norm in Self.batchNorms {
            for name in ["\(norm).running_mean", "\(norm).running_var"] {
                try place(name, from: afterStep ? "after.\(name)" : name)
            }
            weights.batchCounts["layer.\(norm).num_batches_tracked"] = 0
        }
        return weights
    }
}

/// Channels shifted by the published kernel.
public struct ShiftCase: RecordedLayer {
    public static let file = "shift"

    public let name: String
    private let kernelSize: Int
    private let dilation: Int
    private let shape: Shape

    private enum CodingKeys: String, CodingKey {
        case dilation, shape
        case name = "case"
        case kernelSize = "kernel_size"
    }

    public func graph() throws -> Graph {
        try Graph.build(input: Shape(Array(shape.dimensions.dropFirst()))) {
            $0.shift("shift", kernel: kernelSize, dilation: dilation)
        }
    }
}
