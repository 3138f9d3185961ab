import Foundation
import TapestryCore
import TapestryFormats

/// All that a run needs to go on as if it had never stopped, in one file, so that its parts cannot disagree.
struct TrainingState {
    /// Where in the run, and the sums of the epoch so far.
    struct Position: Codable, Equatable {
        /// The epoch to go on with, from 0.
        var epoch = 0
        /// Steps of that epoch already taken.
        var step = 0
        var lossSum = 0.0
        var correct = 0
        var images = 0
        var seconds = 0.0
        /// The best test accuracy in per cent, and its epoch from 1.
        var bestTop1: Double?
        var bestEpoch: Int?
    }

    var position: Position
    var graph: Graph
    var weights: Weights
    /// The optimiser's and the moving average's tensors, by name.
    var optimizer: [String: Tensor<Float>]
    var averages: [String: Tensor<Float>]

    private static let version = "1"
    private static let prefixes = (weights: "weights/", optimizer: "optimizer/", averages: "averages/")

    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        var tensors: [SafetensorsFile.Entry] = []
        func append(_ values: [String: Tensor<Float>], _ prefix: String) {
            for (name, tensor) in values.sorted(by: { $0.key < $1.key }) {
                tensors.append(.init(name: prefix + name, tensor: .float32(tensor)))
            }
        }
        append(weights.tensors, Self.prefixes.weights)
        for (name, count) in weights.batchCounts.sorted(by: { $0.key < $1.key }) {
            tensors.append(
                .init(name: Self.prefixes.weights + name, tensor: .int64(Tensor(shape: [], elements: [count]))))
        }
        append(optimizer, Self.prefixes.optimizer)
        append(averages, Self.prefixes.averages)
        let metadata = [
            "tapestry.state": Self.version,
            "tapestry.graph": String(decoding: try encoder.encode(graph), as: UTF8.self),
            "tapestry.position": String(decoding: try encoder.encode(position), as: UTF8.self),
        ]
        try SafetensorsFile(metadata: metadata, tensors: tensors).write(to: path)
    }

    /// Throws `FormatError` for anything that is not a state that this version wrote.
    init(readingFrom path: String) throws {
        let file = try SafetensorsFile.read(path)
        guard file.metadata["tapestry.state"] == Self.version else {
            let found = file.metadata["tapestry.state"].map { "version \($0)" } ?? "another kind of file"
            throw FormatError(
                file: path, reason: "expected a training state of version \(Self.version), found \(found)")
        }
        func decode<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value {
            do { return try JSONDecoder().decode(type, from: Data((file.metadata[key] ?? "").utf8)) } catch {
                throw FormatError(file: path, reason: "its metadata \"\(key)\" cannot be read: \(error)")
            }
        }
        position = try decode(Position.self, "tapestry.position")
        graph = try decode(Graph.self, "tapestry.graph")
        weights = Weights()
        optimizer = [:]
        averages = [:]
        for entry in file.tensors {
            func name(after prefix: String) -> String? {
                entry.name.hasPrefix(prefix) ? String(entry.name.dropFirst(prefix.count)) : nil
            }
            if let name = name(after: Self.prefixes.weights) {
                switch entry.tensor {
                case .float32(let tensor): weights.tensors[name] = tensor
                case .int64(let count) where count.shape.count == 1: weights.batchCounts[name] = count.elements[0]
                default: throw FormatError(file: path, reason: "\"\(entry.name)\" has a type that no weight has")
                }
            } else if let name = name(after: Self.prefixes.optimizer), let tensor = entry.tensor.float32 {
                optimizer[name] = tensor
            } else if let name = name(after: Self.prefixes.averages), let tensor = entry.tensor.float32 {
                averages[name] = tensor
            } else {
                throw FormatError(file: path, reason: "\"\(entry.name)\" is no part of a training state")
            }
        }
    }

    init(
        position: Position, graph: Graph, weights: Weights, optimizer: [String: Tensor<Float>] = [:],
        averages: [String: Tensor<Float>] = [:]
    ) {
        self.position = position
        self.graph = graph
        self.weights = weights
        self.optimizer = optimizer
        self.averages = averages
    }
}
