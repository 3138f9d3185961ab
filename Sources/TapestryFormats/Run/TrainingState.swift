import TapestryCore

/// All that a run needs to go on as if it had never stopped, in one file, so that its parts cannot disagree.
package struct TrainingState {
    /// Where in the run, and the sums of the epoch so far.
    package struct Position: Codable, Equatable {
        /// The epoch to go on with, from 0.
        package var epoch = 0
        /// Steps of that epoch already taken.
        package var step = 0
        package var lossSum = 0.0
        package var correct = 0
        package var images = 0
        package var seconds = 0.0
        /// The best test accuracy so far, in per cent.
        package var bestTop1: Double?
        /// The processes that train together; another number has another order of images.
        package var worldSize = 1

        package init(epoch: Int = 0, bestTop1: Double? = nil, worldSize: Int = 1) {
            (self.epoch, self.bestTop1, self.worldSize) = (epoch, bestTop1, worldSize)
        }

        /// Whether a run can have been there.
        var isPossible: Bool {
            epoch >= 0 && step >= 0 && images >= step && (0...images).contains(correct) && lossSum.isFinite
                && seconds.isFinite && seconds >= 0 && worldSize >= 1
        }
    }

    package var position: Position
    package var graph: Graph
    package var weights: Weights
    /// The values of the optimiser, of the moving average and of quantised layers, by kind and by state-dict key.
    package var optimizer: [String: [String: Tensor<Float>]]
    package var averages: [String: [String: Tensor<Float>]]
    package var ternarization: [String: [String: Tensor<Float>]]

    private static let version = "1"
    private static let prefixes = (
        weights: "weights/", optimizer: "optimizer/", averages: "averages/", ternarization: "ternarization/"
    )

    /// Writes the file whole or not at all. What was at `path` stays at `older`, if that is given.
    ///
    /// Throws: `WriteError`.
    package func write(to path: String, keepingOldAt older: String? = nil) throws {
        var tensors: [NamedTensor] = []
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
        let groups = [
            (Self.prefixes.optimizer, optimizer), (Self.prefixes.averages, averages),
            (Self.prefixes.ternarization, ternarization),
        ]
        for (prefix, kinds) in groups {
            for (kind, values) in kinds.sorted(by: { $0.key < $1.key }) { append(values, "\(prefix)\(kind)/") }
        }
        let metadata = [
            "tapestry.state": Self.version,
            "tapestry.graph": try JSONCoding.text(of: graph),
            "tapestry.position": try JSONCoding.text(of: position),
        ]
        try SafetensorsFile(metadata: metadata, tensors: tensors).write(to: path, keepingOldAt: older)
    }

    /// Throws: `InputNotFound`; `FormatError` for anything that is not a state that this version wrote.
    package init(readingFrom path: String) throws {
        let file = try SafetensorsFile.read(path)
        guard file.metadata["tapestry.state"] == Self.version else {
            let found = file.metadata["tapestry.state"].map { "version \($0)" } ?? "another kind of file"
            throw FormatError(
                file: path, reason: "expected a training state of version \(Self.version), found \(found)")
        }
        func decode<Value: Decodable>(_ type: Value.Type, _ key: String) throws -> Value {
            guard let value = try? JSONCoding.value(type, from: (file.metadata[key] ?? "").utf8, file: path) else {
                throw FormatError(file: path, reason: "its metadata \"\(key)\" is missing or damaged")
            }
            return value
        }
        self.init(
            position: try decode(Position.self, "tapestry.position"), graph: try decode(Graph.self, "tapestry.graph"),
            weights: Weights())
        guard position.isPossible else {
            throw FormatError(file: path, reason: "its position in the run is impossible")
        }
        for entry in file.tensors {
            guard take(entry) else {
                throw FormatError(file: path, reason: "\"\(entry.name)\" is no part of a training state")
            }
        }
        do { try weights.check(against: graph) } catch { throw FormatError(file: path, reason: error.description) }
    }

    /// Puts a tensor in its place; false where it has none.
    private mutating func take(_ entry: NamedTensor) -> Bool {
        let parts = entry.name.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        switch (parts.first.map { $0 + "/" }, parts.count, entry.tensor) {
        case (Self.prefixes.weights, 2, .float32(let tensor)): weights.tensors[parts[1]] = tensor
        case (Self.prefixes.weights, 2, .int64(let count)) where count.shape.count == 1:
            weights.batchCounts[parts[1]] = count.elements[0]
        case (Self.prefixes.optimizer, 3, .float32(let tensor)): optimizer[parts[1], default: [:]][parts[2]] = tensor
        case (Self.prefixes.averages, 3, .float32(let tensor)): averages[parts[1], default: [:]][parts[2]] = tensor
        case (Self.prefixes.ternarization, 3, .float32(let tensor)):
            ternarization[parts[1], default: [:]][parts[2]] = tensor
        default: return false
        }
        return true
    }

    package init(
        position: Position, graph: Graph, weights: Weights, optimizer: [String: [String: Tensor<Float>]] = [:],
        averages: [String: [String: Tensor<Float>]] = [:], ternarization: [String: [String: Tensor<Float>]] = [:]
    ) {
        self.position = position
        self.graph = graph
        self.weights = weights
        self.optimizer = optimizer
        self.averages = averages
        self.ternarization = ternarization
    }
}

extension TrainingState {
    /// The state that a run's folder was last left with, or the one saved before it where the last cannot be read; then
    /// `damage` says why. Nil where none was saved.
    ///
    /// Throws: `FormatError` where neither can be read.
    package static func latest(in folder: RunFolder) throws -> (state: TrainingState, damage: String?)? {
        guard folder.hasState else { return nil }
        let damage: any Error
        do { return (try TrainingState(readingFrom: folder.state), nil) } catch { damage = error }
        do { return (try TrainingState(readingFrom: folder.olderState), "\(damage)") } catch is InputNotFound {
            throw damage
        } catch {
            let (offset, reason) = (damage as? FormatError).map { ($0.offset, $0.reason) } ?? (nil, "\(damage)")
            throw FormatError(
                file: folder.state, offset: offset, reason: "\(reason); nor the state before can be read: \(error)")
        }
    }
}
