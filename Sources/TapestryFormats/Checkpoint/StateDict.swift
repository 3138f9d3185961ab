import TapestryCore

/// The tensors of a network as its system's own programs name and lay them out.
///
/// | support | Tapestry stores | published |
/// |---|---|---|
/// | tap sets (ASK) | `X.conv{g}.weight` | the same; deployed `X.weights`: all of them side by side along axis 1, O/d x (C * sum of the sets' sizes) |
/// | block diagonal (HetConv) | `X.gwc.weight`, and `X.pwc.weight` without the diagonal blocks | `X.pwc.weight`, O x C x 1 x 1, zero on the diagonal blocks |
/// | mask | the kept weights | `X.weight`, OIHW, zero elsewhere |
///
/// Everything else is the same in both.
public enum StateDict {
    /// Which of the published forms.
    public enum Layout: Sendable {
        /// That of training.
        case training
        /// That of the programs that run a trained network: ASK's accelerated layer.
        case deployed
    }

    /// The weights of `graph` from tensors in any of these forms; batch norms may lack `num_batches_tracked`.
    ///
    /// Throws: `StateDictMismatch` where a tensor is missing, is not one of the network's or has another shape, and where
    /// weights are not zero that the network has not.
    public static func weights(
        of graph: Graph, from tensors: [NamedTensor]
    ) throws(StateDictMismatch) -> Weights {
        var reader = StateDictReader(tensors)
        for node in graph.nodes { reader.read(node) }
        return try reader.result()
    }

    /// The tensors of `model` in the order of its state dict.
    public static func tensors(of model: Model, layout: Layout) -> [NamedTensor] {
        model.graph.nodes.flatMap { node in
            var entries: [NamedTensor] = []
            if case .convolution(let convolution) = node.operation {
                let stored = convolution.storedWeights.map { model.weights.tensors["\(node.name).\($0.suffix)"]! }
                entries = published(stored, of: convolution, layout: layout).map {
                    NamedTensor(name: "\(node.name).\($0.suffix)", tensor: .float32($0.tensor))
                }
            }
            for parameter in node.parameters where parameter.role != .convolutionWeight {
                entries.append(
                    NamedTensor(name: parameter.name, tensor: .float32(model.weights.tensors[parameter.name]!)))
            }
            if let name = node.batchCountName, let count = model.weights.batchCounts[name] {
                entries.append(NamedTensor(name: name, tensor: .int64(Tensor(shape: [], elements: [count]))))
            }
            return entries
        }
    }

    private static func published(
        _ stored: [Tensor<Float>], of convolution: Convolution, layout: Layout
    ) -> [(suffix: String, tensor: Tensor<Float>)] {
        switch convolution.support {
        case .tapSets where layout == .deployed: return [("weights", sideBySide(stored))]
        case .blockDiagonal:
            let dense = convolution.denseWeights(from: stored)
            let shape = convolution.fullPointwiseShape
            let pointwise = Tensor(
                shape: shape,
                elements: (0..<shape.count).map { convolution.pointwisePosition($0).map { dense.elements[$0] } ?? 0 })
            return [("gwc.weight", stored[0]), ("pwc.weight", pointwise)]
        case .mask: return [("weight", convolution.denseWeights(from: stored))]
        case .dense, .tapSets, .channelTaps: return zip(convolution.storedWeights, stored).map { ($0.suffix, $1) }
        }
    }

    /// Matrices of one height, joined row by row.
    private static func sideBySide(_ tensors: [Tensor<Float>]) -> Tensor<Float> {
        let rows = tensors[0].shape[0]
        var elements: [Float] = []
        for row in 0..<rows {
            for tensor in tensors {
                let width = tensor.shape[1]
                elements += tensor.elements[row * width..<(row + 1) * width]
            }
        }
        return Tensor(shape: [rows, elements.count / rows], elements: elements)
    }
}

extension Convolution {
    fileprivate var fullPointwiseShape: Shape { [outputChannels, inputChannels, 1, 1] }

    /// The dense position of the middle tap for an element of a full 1x1 kernel; nil on the diagonal blocks.
    fileprivate func pointwisePosition(_ index: Int) -> Int? {
        guard case .blockDiagonal(let parts) = support else { return nil }
        let (output, channel) = index.quotientAndRemainder(dividingBy: inputChannels)
        let isDiagonal = output / (outputChannels / parts) == channel / (inputChannels / parts)
        return isDiagonal ? nil : densePosition(output, channel, middleTap)
    }
}

/// Takes a network's tensors from a list, one node after the other.
private struct StateDictReader {
    private var remaining: [String: StoredTensor]
    private var weights = Weights()
    private var mismatch = StateDictMismatch()

    init(_ tensors: [NamedTensor]) {
        remaining = Dictionary(tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })
    }

    mutating func read(_ node: Node) {
        if case .convolution(let convolution) = node.operation {
            if let stored = alternative(of: convolution, named: node.name) {
                for (parameter, tensor) in zip(convolution.storedWeights, stored) {
                    weights.tensors["\(node.name).\(parameter.suffix)"] = tensor
                }
            } else {
                for parameter in node.parameters where parameter.role == .convolutionWeight { read(parameter) }
            }
        }
        for parameter in node.parameters where parameter.role != .convolutionWeight { read(parameter) }
        if let name = node.batchCountName, let count = remaining.removeValue(forKey: name) {
            if let count = count.int64, count.shape.count == 1 {
                weights.batchCounts[name] = count.elements[0]
            } else {
                mismatch.unfit.append("\"\(name)\" is no 64-bit integer")
            }
        }
    }

    func result() throws(StateDictMismatch) -> Weights {
        var mismatch = mismatch
        mismatch.unknown = remaining.keys.sorted()
        guard mismatch.isEmpty else { throw mismatch }
        return weights
    }

    private mutating func read(_ parameter: Parameter) {
        guard let found = remaining.removeValue(forKey: parameter.name) else {
            mismatch.missing.append(parameter.name)
            return
        }
        guard let tensor = fitting(found, parameter.name, parameter.shape) else { return }
        weights.tensors[parameter.name] = tensor
    }

    private mutating func fitting(_ found: StoredTensor, _ name: String, _ shape: Shape) -> Tensor<Float>? {
        guard let tensor = found.float32, tensor.shape == shape else {
            mismatch.unfit.append("\"\(name)\" is \(found.type.rawValue) \(found.shape), expected F32 \(shape)")
            return nil
        }
        return tensor
    }

    /// The stored weights of a convolution whose tensors have a published form that is not Tapestry's own; none where
    /// they have it but do not fit. Nothing is allocated for what the network says before the file's tensor has that shape.
    private mutating func alternative(of convolution: Convolution, named name: String) -> [Tensor<Float>]? {
        switch convolution.support {
        case .tapSets: return sideBySide(convolution, "\(name).weights")
        case .blockDiagonal: return fullPointwise(convolution, name)
        case .mask: return fullKernel(convolution, "\(name).weight")
        case .dense, .channelTaps: return nil
        }
    }

    private mutating func sideBySide(_ convolution: Convolution, _ name: String) -> [Tensor<Float>]? {
        guard let found = remaining.removeValue(forKey: name) else { return nil }
        let shapes = convolution.storedWeights.map(\.shape)
        let (rows, width) = (shapes[0][0], shapes.reduce(0) { $0 + $1[1] })
        guard let tensor = fitting(found, name, [rows, width]) else { return [] }
        var start = 0
        return shapes.map { shape in
            defer { start += shape[1] }
            let elements = (0..<rows).flatMap { row in
                tensor.elements[row * width + start..<row * width + start + shape[1]]
            }
            return Tensor(shape: shape, elements: elements)
        }
    }

    /// A `pwc.weight` with the diagonal blocks, which must be zero; of one part, where they are all of it, none is stored.
    private mutating func fullPointwise(_ convolution: Convolution, _ name: String) -> [Tensor<Float>]? {
        let (grouped, pointwise) = ("\(name).gwc.weight", "\(name).pwc.weight")
        guard let found = remaining[pointwise]?.float32, found.shape == convolution.fullPointwiseShape,
            let spatial = remaining[grouped]
        else { return nil }
        remaining[grouped] = nil
        remaining[pointwise] = nil
        var kept: [Float] = []
        for (index, value) in found.elements.enumerated() {
            if convolution.pointwisePosition(index) != nil {
                kept.append(value)
            } else if value != 0 {
                mismatch.addUnfit("\"\(pointwise)\" is not zero on the blocks that \"\(grouped)\" has")
            }
        }
        let stored = convolution.storedWeights
        guard let first = fitting(spatial, grouped, stored[0].shape) else { return [] }
        return [first] + stored.dropFirst().map { Tensor(shape: $0.shape, elements: kept) }
    }

    private mutating func fullKernel(_ convolution: Convolution, _ name: String) -> [Tensor<Float>]? {
        guard let found = remaining[name]?.float32, found.shape == convolution.denseWeightShape else { return nil }
        remaining[name] = nil
        let stored = convolution.storedWeights(from: found)
        let (all, kept) = (found.elements, stored[0].elements)
        if all.count(where: { $0 != 0 }) > kept.count(where: { $0 != 0 }) {
            mismatch.unfit.append("\"\(name)\" is not zero at positions that the layer's support lacks")
        }
        return stored
    }
}

/// How a file's tensors differ from those of the network that they were meant for.
public struct StateDictMismatch: Error, Equatable, Sendable {
    /// The network's tensors that the file lacks, in the order of the network.
    public internal(set) var missing: [String] = []
    /// The file's tensors that the network lacks, sorted.
    public internal(set) var unknown: [String] = []
    /// What is wrong with tensors that both have.
    public internal(set) var unfit: [String] = []

    /// How many tensors differ.
    public var count: Int { missing.count + unknown.count + unfit.count }

    var isEmpty: Bool { count == 0 }

    mutating func addUnfit(_ reason: String) {
        if unfit.last != reason { unfit.append(reason) }
    }
}

extension StateDictMismatch: CustomStringConvertible {
    /// In one line, with the first few names of each kind.
    public var description: String {
        func list(_ names: [String], after title: String = "") -> [String] {
            guard !names.isEmpty else { return [] }
            let rest = names.count > 6 ? " and \(names.count - 6) more" : ""
            return [title + names.prefix(6).joined(separator: ", ") + rest]
        }
        return (list(unfit) + list(missing, after: "the file lacks ") + list(unknown, after: "the network lacks "))
            .joined(separator: "; ")
    }
}
