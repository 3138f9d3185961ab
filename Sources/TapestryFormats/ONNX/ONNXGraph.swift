import Foundation
import SwiftProtobuf
import TapestryCore

/// A network as an ONNX graph under way: what `ONNXGraph+Operations.swift` makes of each node is appended here.
///
/// Values, parameters and operators keep the names of Tapestry's nodes; what a node needs beside is named "node/what".
struct ONNXGraph {
    private(set) var message = Onnx_GraphProto()
    private let weights: [String: Tensor<Float>]
    /// The name of each node's value.
    private var values = [Graph.inputName: ONNXFile.inputName]
    /// The shapes of values for one image.
    private(set) var shapes: [String: Shape]
    /// ONNX has one space of names for inputs, parameters and values.
    private var taken: Set<String> = [ONNXFile.inputName, ONNXFile.outputName]

    init(_ model: FrozenModel) {
        let graph = model.graph
        weights = model.weights.tensors
        shapes = graph.shapesByName
        message.name = model.model.facts["architecture"] ?? "network"
        message.input = [Self.description(of: ONNXFile.inputName, shape: graph.inputShape)]
        message.output = [Self.description(of: ONNXFile.outputName, shape: shapes[graph.outputName]!)]
        for node in graph.nodes {
            let output = node.name == graph.outputName ? ONNXFile.outputName : unusedName(node.name)
            values[node.name] = output
            append(node, inputs: node.inputs.map { values[$0]! }, output: output)
        }
    }

    /// Appends an operator of ONNX's that takes `inputs` to `output`.
    mutating func append(
        _ type: String, _ inputs: [String], to output: String, _ attributes: [Onnx_AttributeProto] = []
    ) {
        message.node.append(
            .with {
                $0.name = output
                $0.opType = type
                $0.input = inputs
                $0.output = [output]
                $0.attribute = attributes
            })
    }

    /// A name for something, `wanted` if nothing has it.
    mutating func unusedName(_ wanted: String) -> String {
        var name = wanted
        while !taken.insert(name).inserted { name += "'" }
        return name
    }
}

// MARK: - Constants

extension ONNXGraph {
    /// The values of a node's parameter by its suffix (`weight`); nil where the node has none of the name.
    func tensor(_ suffix: String, of node: Node) -> Tensor<Float>? { weights["\(node.name).\(suffix)"] }

    /// Adds a node's parameter as it is, under another shape if one is given; gives its name in the file.
    ///
    /// Precondition: the node has the parameter.
    mutating func parameter(_ suffix: String, of node: Node, shape: Shape? = nil) -> String {
        let tensor = tensor(suffix, of: node)!
        return constant("\(node.name).\(suffix)", .float32(shape.map(tensor.reshaped) ?? tensor))
    }

    /// Adds a tensor; gives its name in the file.
    mutating func constant(_ wanted: String, _ tensor: StoredTensor) -> String {
        let name = unusedName(wanted)
        message.initializer.append(
            .with {
                $0.name = name
                $0.dataType = Int32(Self.elementType(of: tensor).rawValue)
                $0.dims = tensor.shape.dimensions.map(Int64.init)
                $0.rawData = tensor.withBytes { Data($0) }
            })
        return name
    }

    /// Adds a list of whole numbers; gives its name in the file.
    mutating func constant(_ wanted: String, _ numbers: [Int]) -> String {
        constant(wanted, .int64(Tensor(shape: [numbers.count], elements: numbers.map(Int64.init))))
    }

    private static func elementType(of tensor: StoredTensor) -> Onnx_TensorProto.DataType {
        switch tensor {
        case .float32: .float
        case .int64: .int64
        case .int32: .int32
        case .int16: .int16
        case .int8: .int8
        case .uint8: .uint8
        case .bool: .bool
        }
    }

    /// N, which stands for any number, and the shape for one image.
    private static func description(of name: String, shape: Shape) -> Onnx_ValueInfoProto {
        .with {
            $0.name = name
            $0.type.tensorType.elemType = Int32(Onnx_TensorProto.DataType.float.rawValue)
            $0.type.tensorType.shape.dim =
                [.with { $0.dimParam = "N" }]
                + shape.dimensions.map { extent in .with { $0.dimValue = Int64(extent) } }
        }
    }
}

extension Graph {
    /// The shape of every value for one image, by the name that nodes take it under.
    fileprivate var shapesByName: [String: Shape] {
        // The shapes of a model's graph fit: the verifier has seen to that.
        let shapes = try! outputShapes()
        return Dictionary(uniqueKeysWithValues: [(Self.inputName, inputShape)] + zip(nodes.map(\.name), shapes))
    }
}

extension Onnx_AttributeProto {
    static func integer(_ name: String, _ value: Int) -> Self {
        .with { ($0.name, $0.type, $0.i) = (name, .int, Int64(value)) }
    }

    static func integers(_ name: String, _ values: [Int]) -> Self {
        .with { ($0.name, $0.type, $0.ints) = (name, .ints, values.map(Int64.init)) }
    }

    static func float(_ name: String, _ value: Double) -> Self {
        .with { ($0.name, $0.type, $0.f) = (name, .float, Float(value)) }
    }
}
