import TapestryCore

/// A network's tensors in a file that `torch.save` wrote (.pt, .pth, .pth.tar, .t7), and the plain values beside them.
///
/// Nothing in the file is executed: its pickle is read as data, by a closed set of opcodes and constructors, and what is
/// not among them is refused by its name. Tensors that were on a GPU are read into the host's memory. At most twice the
/// file's size and 64 MB are needed, whatever the file says.
public struct PyTorchCheckpoint: Equatable, Sendable {
    /// How the bytes are arranged.
    public enum Container: Sendable {
        /// Since PyTorch 1.6.
        case zip
        /// Before, and with `_use_new_zipfile_serialization=False`.
        case legacy
    }

    /// A value beside the tensors.
    public enum Fact: Equatable, Sendable {
        case integer(Int)
        case real(Double)
        case boolean(Bool)
        case text(String)
    }

    public let container: Container
    /// The state dict in its order, its names without the `module.` that DataParallel puts before all of them.
    ///
    /// F16, BF16 and F64 are widened or narrowed to 32-bit floating point.
    public let tensors: [NamedTensor]
    /// The element type that each tensor is stored in, as safetensors calls it: `F16`.
    public let typeNames: [String: String]
    /// Numbers, strings and tensors of one number outside the state dict, by their keys joined by dots: `best_prec1`,
    /// `args.lr`.
    public let facts: [String: Fact]

    /// Reads the file at `path`: a state dict, a dictionary with one (or with a network) under `state_dict`,
    /// `model_state_dict`, `model` or `net`, or a network of the classes under `torch.nn.` and `models.`.
    ///
    /// Throws: `InputNotFound`; `FormatError` if the file is damaged, or holds anything else than that.
    public static func read(_ path: String) throws -> PyTorchCheckpoint {
        let file = try InputFile(path: path)
        guard let container = Container(firstBytes: try file.bytes(at: 0, count: min(file.size, 4))) else {
            throw FormatError(
                file: path, offset: 0, reason: "expected a PyTorch checkpoint, found neither a zip file nor a pickle")
        }
        return try read(file, container)
    }

    static func read(_ file: InputFile, _ container: Container) throws -> PyTorchCheckpoint {
        let budget = MemoryBudget(file: file.path, size: file.size)
        let contents =
            switch container {
            case .zip: try PyTorchZipFormat.contents(of: file, budget: budget)
            case .legacy: try PyTorchLegacyFormat.contents(of: file, budget: budget)
            }
        let found = try PyTorchStateDict(root: contents.root, file: file.path, budget: budget)
        var reader = PyTorchStorageReader(file: file, storages: contents.storages, budget: budget)
        var tensors: [NamedTensor] = []
        var typeNames: [String: String] = [:]
        for (name, tensor) in found.tensors {
            tensors.append(NamedTensor(name: name, tensor: try reader.read(tensor, name: name)))
            typeNames[name] = tensor.type.rawValue
        }
        var facts: [String: Fact] = [:]
        for (path, value) in found.facts {
            if let fact = try Fact(value, path: path, reader: &reader, budget: budget) { facts[path] = fact }
        }
        return PyTorchCheckpoint(container: container, tensors: tensors, typeNames: typeNames, facts: facts)
    }
}

extension PyTorchCheckpoint.Container {
    /// Nil for bytes that begin neither a zip file nor a pickle of protocol 2 to 5.
    init?(firstBytes: [UInt8]) {
        if firstBytes.starts(with: [0x50, 0x4B, 3, 4]) {
            self = .zip
        } else if firstBytes.count >= 2, firstBytes[0] == 0x80, (2...5).contains(firstBytes[1]) {
            self = .legacy
        } else {
            return nil
        }
    }
}

extension PyTorchCheckpoint.Fact {
    /// Nil for what is no number, string or tensor of one number.
    fileprivate init?(
        _ value: PickleValue, path: String, reader: inout PyTorchStorageReader, budget: MemoryBudget
    ) throws {
        switch value {
        case .boolean(let value): self = .boolean(value)
        case .integer(let value): self = .integer(value)
        case .float(let value): self = .real(value)
        case .bytes(let bytes), .text(let bytes):
            try budget.charge(bytes.bytes.count)
            guard let text = value.text else { return nil }
            self = .text(text)
        case .object:
            if let scalar = try NumpyPickle.scalar(value, budget: budget) {
                try self.init(scalar, path: path, reader: &reader, budget: budget)
                return
            }
            guard let tensor = try PyTorchTensor(value, file: reader.path), tensor.layout.shape.count == 1 else {
                return nil
            }
            switch try reader.read(tensor, name: path) {
            case .float32(let tensor): self = .real(Double(tensor.elements[0]))
            case .int64(let tensor): self = .integer(Int(tensor.elements[0]))
            case .int32(let tensor): self = .integer(Int(tensor.elements[0]))
            case .int16(let tensor): self = .integer(Int(tensor.elements[0]))
            case .int8(let tensor): self = .integer(Int(tensor.elements[0]))
            case .uint8(let tensor): self = .integer(Int(tensor.elements[0]))
            case .bool(let tensor): self = .boolean(tensor.elements[0])
            }
        case .none, .wideInteger, .tuple, .list, .set, .dictionary, .global, .external: return nil
        }
    }
}

extension PyTorchCheckpoint.Fact: CustomStringConvertible {
    public var description: String {
        switch self {
        case .integer(let value): String(value)
        case .real(let value): String(value)
        case .boolean(let value): String(value)
        case .text(let value): value
        }
    }
}
