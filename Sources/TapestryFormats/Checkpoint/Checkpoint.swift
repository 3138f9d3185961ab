import TapestryCore

/// The tensors of a network in any of the files that keep them, told apart by their bytes and not by their names.
public struct Checkpoint: Equatable, Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        case safetensors
        case pyTorchZip = "PyTorch (zip)"
        case pyTorchLegacy = "PyTorch (legacy)"
        case hdf5 = "HDF5"
    }

    public let kind: Kind
    /// In the order of the file.
    public let tensors: [NamedTensor]
    /// The element type that each tensor is stored in, as safetensors calls it: `F16`.
    public let typeNames: [String: String]
    /// What the file says beside its tensors: safetensors' metadata, PyTorch's facts (`best_prec1`) as text.
    public let metadata: [String: String]
    /// What packed tensors take in the file, by name; see `Packing`.
    public var packedSizes: [String: PackedSize] = [:]

    /// Reads the file at `path`.
    ///
    /// Throws: `InputNotFound`; `FormatError` if the file is of no kind that is read, or is a damaged one of them.
    public static func read(_ path: String) throws -> Checkpoint {
        switch try kind(of: path) {
        case .safetensors:
            let file = try SafetensorsFile.read(path)
            return Checkpoint(
                kind: .safetensors, tensors: file.tensors, typeNames: try SafetensorsFile.typeNames(in: path),
                metadata: file.metadata, packedSizes: file.packedSizes)
        case .pyTorchZip, .pyTorchLegacy:
            let file = try PyTorchCheckpoint.read(path)
            return Checkpoint(
                kind: file.container == .zip ? .pyTorchZip : .pyTorchLegacy, tensors: file.tensors,
                typeNames: file.typeNames, metadata: file.facts.mapValues(\.description))
        case .hdf5:
            let (file, typeNames) = try HDF5File.readWithTypeNames(path)
            return Checkpoint(kind: .hdf5, tensors: file.tensors, typeNames: typeNames, metadata: [:])
        }
    }

    /// The kind of the file at `path`, by its first bytes alone.
    ///
    /// Throws: as `read`.
    public static func kind(of path: String) throws -> Kind {
        let file = try InputFile(path: path)
        let bytes = try file.bytes(at: 0, count: min(file.size, 9))
        // A header's length, and then its first byte. A length may begin as a pickle does, but ends in zeros, which a
        // pickle does not have there. Other lengths are damaged ones, which the reader of such files names.
        let hasHeader = bytes.count == 9 && bytes[8] == UInt8(ascii: "{")
        if hasHeader, bytes[4..<8].allSatisfy({ $0 == 0 }) { return .safetensors }
        switch PyTorchCheckpoint.Container(firstBytes: bytes) {
        case .zip: return .pyTorchZip
        case .legacy: return .pyTorchLegacy
        case nil: break
        }
        if bytes.starts(with: HDF5Superblock.signature) { return .hdf5 }
        if hasHeader { return .safetensors }
        let kinds = Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw FormatError(
            file: path, offset: 0, reason: "expected a checkpoint of a kind that is read (\(kinds)), found another file"
        )
    }
}
