import Foundation
import SwiftProtobuf
import TapestryCore

/// Networks as ONNX files, which many programs run: ONNX Runtime, OpenVINO, TensorRT, browsers.
///
/// The file has one graph of operators of ONNX's own, opset 17, as every program of the last years reads it. It takes
/// `images`, N x C x H x W, to `logits`, N x classes, for any N. Supports are written as dense kernels with zeros, for
/// ONNX knows no others. A model's facts are the file's metadata.
///
/// Source: the ONNX specification's "Open Neural Network Exchange Intermediate Representation" and "Operators".
public enum ONNXFile {
    /// The name of the value that the network takes.
    public static let inputName = "images"
    /// The name of the value that the network gives.
    public static let outputName = "logits"
    /// The versions of the file format and of the operators: those of ONNX 1.12, of 2022.
    static let (irVersion, opset) = (Int64(8), Int64(17))

    /// Writes the file whole or not at all; the same model always gives the same bytes. `producerVersion` is the version
    /// of the program that writes, for the file to name.
    ///
    /// Throws: `FormatError` if the network takes more than 2 GiB, which is the most that an ONNX file can hold;
    /// `WriteError`.
    public static func write(_ model: FrozenModel, to path: String, producerVersion: String = "") throws {
        let tooLarge = FormatError(
            file: path,
            reason: "expected a network of at most 2 GiB, which is what an ONNX file can hold, found a larger one (in "
                + "ONNX every kernel is dense)")
        // Before any kernel is laid out: those on a support can be far larger dense than they are stored.
        guard model.graph.denseParameterBytes <= Int(Int32.max) else { throw tooLarge }
        let file = Onnx_ModelProto.with {
            $0.irVersion = irVersion
            $0.opsetImport = [.with { $0.version = opset }]
            $0.producerName = "Tapestry"
            $0.producerVersion = producerVersion
            $0.metadataProps = model.model.facts.sorted { $0.key < $1.key }.map { key, value in
                .with { ($0.key, $0.value) = (key, value) }
            }
            $0.graph = ONNXGraph(model).message
        }
        let bytes: [UInt8]
        // All required fields are set, so size is the only thing that can be wrong.
        do { bytes = try file.serializedBytes() } catch { throw tooLarge }
        try AtomicFile.write(bytes, to: path)
    }
}

extension Graph {
    /// How many bytes its parameters take in an ONNX file: in 32 bits, and every kernel dense.
    fileprivate var denseParameterBytes: Int {
        // The shapes of a model's graph fit: the verifier has seen to that. It bounds each node's weights by 2^40 as well.
        let shapes = try! outputShapes()
        let counts = zip(nodes, shapes).map { node, shape in
            switch node.operation {
            case .convolution(let convolution): convolution.denseWeightShape.count + convolution.outputChannels
            case .shift(let shift): shape[0] * shift.kernel * shift.kernel
            case .batchNorm, .affine, .linear, .relu, .sigmoid, .swish, .maxPool, .averagePool, .globalAveragePool,
                .add,
                .scaleChannels, .padChannels, .stopGradient, .dropout, .dropBranch, .flatten:
                node.parameters.reduce(0) { $0 + $1.shape.count }
            }
        }
        return counts.reduce(0, +) * MemoryLayout<Float>.size
    }
}
