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
    package static let graphKey = "tapestry.graph"
    static let reservedPrefix = "tapestry."

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

    /// What a model's file says beside its tensors. Precondition as `write`.
    package static func metadata(of model: Model) throws -> [String: String] {
        precondition(!model.facts.keys.contains { $0.hasPrefix(reservedPrefix) }, "a fact has a reserved key")
        var metadata = model.facts
        metadata[versionKey] = version
        metadata[graphKey] = try JSONCoding.text(of: model.graph)
        return metadata
    }

    /// The facts that a model has whose file says so much beside its tensors.
    package static func facts(in metadata: [String: String]) -> [String: String] {
        metadata.filter { !$0.key.hasPrefix(reservedPrefix) }
    }

    /// The graph that a model has whose file, the one at `path`, says so much beside its tensors.
    ///
    /// Throws: `FormatError`.
    package static func graph(in metadata: [String: String], path: String) throws -> Graph {
        guard let text = metadata[graphKey] else {
            throw FormatError(file: path, reason: "is not a Tapestry model: its metadata has no \"\(graphKey)\"")
        }
        guard metadata[versionKey] == version else {
            let found = metadata[versionKey].map { "\"\($0)\"" } ?? "none"
            throw FormatError(file: path, reason: "expected \(versionKey) \"\(version)\", found \(found)")
        }
        do {
            return try JSONCoding.value(Graph.self, from: text.utf8, file: path)
        } catch {
            throw FormatError(file: path, reason: "its \(graphKey) is not a graph: \(reason(of: error))")
        }
    }

    /// What a decoder's error says, without the names of Swift's types around it.
    private static func reason(of error: any Error) -> String {
        if let error = error as? FormatError { return "at byte \(error.offset ?? 0) of it: \(error.reason)" }
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
