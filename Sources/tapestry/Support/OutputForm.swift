import Foundation
import TapestryCore
import TapestryFormats

/// The kind of file that a model is written as, by its extension.
enum OutputForm {
    case safetensors
    case pyTorch
    case hdf5

    /// Throws: `CommandFailure` for an extension that stands for none.
    init(path: String) throws {
        switch (path as NSString).pathExtension.lowercased() {
        case "safetensors": self = .safetensors
        case "pt", "pth": self = .pyTorch
        case "hdf5", "h5": self = .hdf5
        case "onnx":
            throw CommandFailure(
                .unavailable, "\(path): ONNX is not written yet; write .safetensors, .pt or .hdf5 instead")
        default:
            throw CommandFailure(
                .usage, "\(path): its extension says no form that is written; it can be .safetensors, .pt or .hdf5")
        }
    }

    /// Throws: `WriteError`; `FormatError` for names that HDF5 cannot hold.
    func write(_ model: Model, layout: StateDict.Layout, to path: String) throws {
        switch self {
        case .safetensors: try ModelFile.write(model, to: path)
        case .pyTorch: try ModelFile.writePyTorch(model, layout: layout, to: path)
        case .hdf5:
            try ACNetFile.write(StateDict.tensors(of: model, layout: layout), to: path, attributes: model.facts)
        }
    }

    /// Writes tensors without a network.
    func write(_ tensors: [NamedTensor], facts: [String: String], to path: String) throws {
        switch self {
        case .safetensors: try SafetensorsFile(metadata: facts, tensors: tensors).write(to: path)
        case .pyTorch: try PyTorchCheckpoint.write(tensors, to: path, under: "state_dict", facts: facts)
        case .hdf5: try ACNetFile.write(tensors, to: path, attributes: facts)
        }
    }

    /// Whether both paths lead to one file that exists.
    static func isSameFile(_ a: String, _ b: String) -> Bool {
        var (first, second) = (stat(), stat())
        guard stat(a, &first) == 0, stat(b, &second) == 0 else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }
}
