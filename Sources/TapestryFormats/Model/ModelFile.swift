import Foundation
import TapestryCore

/// A saved model: a safetensors file whose metadata holds the network's graph, so that any safetensors client reads the
/// weights and Tapestry needs nothing else to run it.
///
/// | metadata key | value |
/// |---|---|
/// | `tapestry.version` | `1` |
/// | `tapestry.graph` | the graph as JSON (see `Graph`'s coding) |
/// | any other | a fact of the model |
///
/// Tensors are F32 under their state-dict keys and in that order, `num_batches_tracked` I64 scalars. Those that are packed
/// (`Packing`) come last, and are named in `tapestry.packed`.
public enum ModelFile {
    static let version = "1"
    static let versionKey = "tapestry.version"
    static let graphKey = "tapestry.graph"
    static let reservedPrefix = "tapestry."
    /// A network of a thousand layers, each with taps of its own for a hundred channels, has half as many.
    private static let mostGraphValues = 500_000

    /// Throws: `InputNotFound`; `FormatError` if the file is damaged, is not a Tapestry model, is one of another version,
    /// or if its tensors are not those of its graph.
    public static func read(_ path: String) throws -> Model {
        let file = try SafetensorsFile.read(path)
        let graph = try graph(in: file.metadata, path: path)
        do {
            return try Model(
                graph: graph, weights: try weights(of: graph, in: file, path: path), facts: facts(in: file.metadata))
        } catch let error as GraphError {
            throw FormatError(file: path, reason: error.description)
        }
    }

    /// Whether a checkpoint of any kind has a network's graph beside its tensors, and so is a model.
    public static func isModel(_ checkpoint: Checkpoint) -> Bool { checkpoint.metadata[graphKey] != nil }

    /// The model in a checkpoint of any kind that has its graph, read from the file at `path`.
    ///
    /// Throws: `FormatError` as `read` does.
    public static func model(in checkpoint: Checkpoint, path: String) throws -> Model {
        let graph = try graph(in: checkpoint.metadata, path: path)
        do {
            try Verifier.verify(graph)
            let weights = try StateDict.weights(of: graph, from: checkpoint.tensors)
            return try Model(graph: graph, weights: weights, facts: facts(in: checkpoint.metadata))
        } catch let error as GraphError {
            throw FormatError(file: path, reason: error.description)
        } catch let error as StateDictMismatch {
            throw FormatError(file: path, reason: "its tensors are not those of its graph: \(error)")
        }
    }

    /// The network of the model file at `path`, whose weights are not read.
    ///
    /// Throws: as `read`, save for what is wrong with the weights.
    public static func readGraph(_ path: String) throws -> Graph {
        try graph(in: try SafetensorsFile.metadata(in: path), path: path)
    }

    /// Writes the file whole or not at all; the same model always gives the same bytes.
    ///
    /// Precondition: no fact's key begins with `tapestry.`. Throws: `WriteError`.
    public static func write(_ model: Model, to path: String) throws { try file(of: model).write(to: path) }

    /// What the file of a model holds; `SafetensorsFile.packed(_:)` makes it smaller. Precondition and `Throws` as `write`.
    public static func file(of model: Model) throws -> SafetensorsFile {
        SafetensorsFile(metadata: try metadata(of: model), tensors: entries(of: model))
    }

    /// Writes a model as a checkpoint of PyTorch: its tensors as the published programs name them under `state_dict`, and
    /// beside it, as text, what a model file's metadata holds, so that the file is a model here as well.
    ///
    /// Precondition and `Throws` as `write`.
    public static func writePyTorch(_ model: Model, layout: StateDict.Layout, to path: String) throws {
        try PyTorchCheckpoint.write(
            StateDict.tensors(of: model, layout: layout), to: path, under: PyTorchStateDict.wrappers[0],
            facts: try metadata(of: model))
    }

    private static func metadata(of model: Model) throws -> [String: String] {
        precondition(!model.facts.keys.contains { $0.hasPrefix(reservedPrefix) }, "a fact has a reserved key")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var metadata = model.facts
        metadata[versionKey] = version
        metadata[graphKey] = String(decoding: try encoder.encode(model.graph), as: UTF8.self)
        return metadata
    }

    private static func facts(in metadata: [String: String]) -> [String: String] {
        metadata.filter { !$0.key.hasPrefix(reservedPrefix) }
    }

    private static func graph(in metadata: [String: String], path: String) throws -> Graph {
        guard let text = metadata[graphKey] else {
            throw FormatError(file: path, reason: "is not a Tapestry model: its metadata has no \"\(graphKey)\"")
        }
        guard metadata[versionKey] == version else {
            let found = metadata[versionKey].map { "\"\($0)\"" } ?? "none"
            throw FormatError(file: path, reason: "expected \(versionKey) \"\(version)\", found \(found)")
        }
        // What the decoder makes of a value takes a hundred bytes and more, so their number is bounded before.
        guard text.utf8.count(where: ",[{".utf8.contains) <= mostGraphValues else {
            throw FormatError(file: path, reason: "its \(graphKey) has more than \(mostGraphValues) values")
        }
        do {
            return try JSONDecoder().decode(Graph.self, from: Data(text.utf8))
        } catch {
            throw FormatError(file: path, reason: "its \(graphKey) is not a graph: \(reason(of: error))")
        }
    }

    /// What a decoder's error says, without the names of Swift's types around it.
    private static func reason(of error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        func place(_ path: [any CodingKey]) -> String {
            let keys = path.map { key in key.intValue.map(String.init) ?? key.stringValue }
            return keys.isEmpty ? "" : "\(keys.joined(separator: ".")): "
        }
        switch error {
        case .dataCorrupted(let context): return place(context.codingPath) + context.debugDescription
        case .keyNotFound(let key, let context): return place(context.codingPath) + "\"\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return place(context.codingPath) + context.debugDescription
        @unknown default: return "\(error)"
        }
    }

    private static func weights(of graph: Graph, in file: SafetensorsFile, path: String) throws -> Weights {
        let countNames = Set(graph.nodes.compactMap(\.batchCountName))
        var weights = Weights()
        for entry in file.tensors {
            func failure(_ expected: String) -> FormatError {
                let found = "\(entry.tensor.type.rawValue) \(entry.tensor.shape)"
                return FormatError(file: path, reason: "tensor '\(entry.name)': expected \(expected), found \(found)")
            }
            if countNames.contains(entry.name) {
                guard let tensor = entry.tensor.int64, tensor.shape.count == 1 else { throw failure("one I64") }
                weights.batchCounts[entry.name] = tensor.elements[0]
            } else {
                guard let tensor = entry.tensor.float32 else { throw failure("floating-point numbers") }
                weights.tensors[entry.name] = tensor
            }
        }
        return weights
    }

    private static func entries(of model: Model) -> [NamedTensor] {
        model.graph.nodes.flatMap { node in
            var entries = node.parameters.compactMap { parameter in
                model.weights.tensors[parameter.name].map {
                    NamedTensor(name: parameter.name, tensor: .float32($0))
                }
            }
            if let name = node.batchCountName, let count = model.weights.batchCounts[name] {
                entries.append(.init(name: name, tensor: .int64(Tensor(shape: [], elements: [count]))))
            }
            return entries
        }
    }
}
