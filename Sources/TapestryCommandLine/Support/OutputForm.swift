import Foundation
import TapestryCore
import TapestryFormats

/// The kind of file that a model is written as, by its extension.
enum OutputForm {
    /// Its weights perhaps packed.
    case safetensors(Packing?)
    case pyTorch
    case hdf5
    /// Networks as they are deployed, never as they are to be trained.
    case onnx

    /// Throws: `CommandFailure` for an extension that stands for none, or for a form whose weights are never packed.
    init(path: String, packing: Packing?) throws {
        switch (path as NSString).pathExtension.lowercased() {
        case "safetensors":
            self = .safetensors(packing)
            return
        case "pt", "pth": self = .pyTorch
        case "hdf5", "h5": self = .hdf5
        case "onnx": self = .onnx
        default:
            throw CommandFailure(
                .usage,
                "\(path): its extension says no form that is written; it can be .safetensors, .pt, .hdf5 or .onnx")
        }
        if packing != nil {
            throw CommandFailure(
                .usage, "\(path): only .safetensors files have packed weights; leave out --pack, or write one of those")
        }
    }

    /// Writes the model; says what packing made of it, if it is asked for.
    ///
    /// Precondition: a model for ONNX is a deployed one. Throws: `WriteError`; `FormatError` for what HDF5 or ONNX cannot
    /// hold; `CommandFailure` if nothing is to be packed.
    func write(_ model: Model, layout: StateDict.Layout, to path: String) throws -> PackingReport? {
        switch self {
        case .safetensors(let packing): return try Self.write(try ModelFile.file(of: model), packing, to: path)
        case .pyTorch: try ModelFile.writePyTorch(model, layout: layout, to: path)
        case .hdf5:
            try ACNetFile.write(StateDict.tensors(of: model, layout: layout), to: path, attributes: model.facts)
        case .onnx: try ONNXFile.write(FrozenModel(model), to: path, producerVersion: Tapestry.version)
        }
        return nil
    }

    /// Writes tensors without a network; otherwise as `write(_:layout:to:)`.
    func write(_ tensors: [NamedTensor], facts: [String: String], to path: String) throws -> PackingReport? {
        switch self {
        case .safetensors(let packing):
            return try Self.write(SafetensorsFile(metadata: facts, tensors: tensors), packing, to: path)
        case .pyTorch: try PyTorchCheckpoint.write(tensors, to: path, under: "state_dict", facts: facts)
        case .hdf5: try ACNetFile.write(tensors, to: path, attributes: facts)
        case .onnx:
            throw CommandFailure(.usage, "\(path): an ONNX file holds a network, too; name the model's by --arch")
        }
        return nil
    }

    private static func write(
        _ file: SafetensorsFile, _ packing: Packing?, to path: String
    ) throws -> PackingReport? {
        guard let packing else {
            try file.write(to: path)
            return nil
        }
        let (packed, sizes) = file.packed(packing)
        guard !sizes.isEmpty else {
            throw CommandFailure(
                .badData,
                "\(path): nothing was written, for no weights are ternary, or zero often enough, to be smaller when "
                    + "packed; leave out --pack")
        }
        try packed.write(to: path)
        return PackingReport(packing, of: file, packed: packed, sizes: sizes)
    }

    /// Whether both paths lead to one file that exists.
    static func isSameFile(_ a: String, _ b: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard stat(a, &first) == 0, stat(b, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }
}
