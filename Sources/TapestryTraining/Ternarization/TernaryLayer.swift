import TapestryCore
import TapestryMethods
import TapestryTorch

/// A layer of a network that runs with ternary or pruned weights, its full-precision weights and its levels.
///
/// The arithmetic is the host's: a layer's weights are few beside the values that a step computes with them.
final class TernaryLayer {
    let name: String
    /// What the network computes with, as it lies on the device.
    private let pieces: [Piece]
    /// w_p and w_n: what their optimiser moves.
    private let levelTensor: TorchTensor
    private let lambdaTensor: TorchTensor
    private var assignment: TernaryAssignment
    private let method: Ternarization
    /// Of this layer's size.
    private let constraint: EntropyConstraint

    /// One tensor of the layer's weights.
    private struct Piece {
        let name: String
        let parameter: TorchTensor
        let weight: TorchTensor
        /// -1, 0 or 1 for each weight.
        let assignment: TorchTensor
        /// The row-major places on the support; nil where all are.
        let places: [Int]?
        let count: Int
    }

    /// How many weights the layers of a network have.
    static func weightCount(of parameters: [TorchNetwork.TrainedParameter]) throws -> Int {
        try parameters.reduce(0) { try $0 + (places(of: $1)?.count ?? $1.value.shape.count) }
    }

    private static func places(of parameter: TorchNetwork.TrainedParameter) throws -> [Int]? {
        try parameter.mask.map { try $0.host().elements.indices(where: { $0 != 0 }) }
    }

    /// Starts from the weights that the network has. Precondition: there are any.
    init(
        _ name: String, _ parameters: [TorchNetwork.TrainedParameter], method: Ternarization, start: TernaryStart,
        constraint: EntropyConstraint
    ) throws {
        self.name = name
        self.method = method
        self.constraint = constraint
        pieces = try parameters.map { parameter in
            let places = try Self.places(of: parameter)
            return Piece(
                name: parameter.name, parameter: parameter.value, weight: try parameter.value.detached().cloned(),
                assignment: try parameter.value.detached().zerosLike(), places: places,
                count: places?.count ?? parameter.value.shape.count)
        }
        let weights = try Self.gather(pieces.map { ($0.weight, $0.places) })
        let levels = method.startingLevels(start, of: weights)
        let device = pieces[0].parameter.device
        levelTensor = try TorchTensor(Tensor(shape: [2], elements: [levels.positive, levels.negative]), on: device)
        lambdaTensor = try TorchTensor.full([1], 0, on: device)
        assignment = method.nearest(weights, levels)
        try write(weights)
    }

    /// What its levels are now. Waits for the device.
    private var levels: TernaryLevels {
        get throws {
            let values = try levelTensor.host().elements
            return TernaryLevels(positive: values[0], negative: values[1])
        }
    }

    private func set(_ levels: TernaryLevels) throws {
        let values = Tensor<Float>(shape: [2], elements: [levels.positive, levels.negative])
        try levelTensor.copy(from: TorchTensor(values, on: levelTensor.device))
    }
}

// MARK: - Steps

extension TernaryLayer {
    /// The full-precision weights, as an optimiser takes them.
    var weights: [NamedTensor] { pieces.map { NamedTensor(name: $0.name, tensor: $0.weight) } }

    /// The levels, as an optimiser takes them.
    var levelParameter: NamedTensor { NamedTensor(name: "\(name).levels", tensor: levelTensor) }

    /// Turns the gradients of the network's weights into those of the full-precision weights and of the levels.
    func takeGradients() throws {
        var found: [(TorchTensor, [Int]?)] = []
        for piece in pieces { found.append((try piece.parameter.grad ?? piece.parameter.zerosLike(), piece.places)) }
        let gradients = try method.gradients(of: Self.gather(found), levels, assignment)
        var targets: [TorchTensor] = []
        for piece in pieces { targets.append(try piece.weight.zerosLike()) }
        try scatter(gradients.weights, into: targets)
        for (piece, gradient) in zip(pieces, targets) {
            try piece.weight.setGrad(gradient)
            try piece.parameter.setGrad(nil)
        }
        let values: [Float] = [gradients.levels.positive, gradients.levels.negative]
        try levelTensor.setGrad(TorchTensor(Tensor(shape: [2], elements: values), on: levelTensor.device))
    }

    /// Gives the network the weights that the moved ones stand for, assigned anew unless the assignment stands still.
    func requantize(assigning: Bool) throws {
        let weights = try Self.gather(pieces.map { ($0.weight, $0.places) })
        let levels = method.raised(try self.levels, over: weights)
        try set(levels)
        if assigning {
            let (assignment, lambda) = method.assign(weights, levels, under: constraint)
            self.assignment = assignment
            try lambdaTensor.copy(from: TorchTensor(Tensor(shape: [1], elements: [lambda])))
        }
        try write(weights, keepsMagnitudes: method.keepsMagnitudes && (assigning || method.reading == .corrected))
    }

    /// Takes the network's weights, which are quantised, for what is assigned from now on.
    func adoptNetworkWeights() throws {
        let values = try Self.gather(pieces.map { ($0.parameter, $0.places) })
        assignment = TernaryAssignment(signsOf: values)
        if method.keepsMagnitudes {
            let weights = try Self.gather(pieces.map { ($0.weight, $0.places) })
            try scatter(zip(weights, values).map { $1 == 0 ? $0 : $1 }, into: pieces.map(\.weight))
        } else {
            // A level that no weight has stays what it was.
            let found = Ternarization().startingLevels(.asTheyAre, of: values)
            var levels = try self.levels
            if found.positive > 0 { levels.positive = found.positive }
            if found.negative > 0 { levels.negative = found.negative }
            try set(levels)
        }
        try writeAssignment()
    }

    private func write(_ weights: [Float], keepsMagnitudes: Bool? = nil) throws {
        let quantizer = Ternarization(
            reading: method.reading, keepsMagnitudes: keepsMagnitudes ?? method.keepsMagnitudes)
        try scatter(quantizer.values(weights, levels, assignment), into: pieces.map(\.parameter))
        try writeAssignment()
    }

    private func writeAssignment() throws {
        let signs = assignment.values(TernaryLevels(positive: 1, negative: 1))
        try scatter(signs, into: pieces.map(\.assignment))
    }
}

// MARK: - State and figures

extension TernaryLayer {
    /// All that the next step depends on, sharing memory with the layer; what the optimisers have is left out.
    var state: [NamedTensor] {
        pieces.flatMap { piece in
            [
                NamedTensor(name: piece.name, tensor: piece.weight),
                NamedTensor(name: "\(piece.name).assignment", tensor: piece.assignment),
            ]
        } + [levelParameter, NamedTensor(name: "\(name).lambda", tensor: lambdaTensor)]
    }

    /// After `state` has been written to.
    func stateDidLoad() throws {
        assignment = TernaryAssignment(signsOf: try Self.gather(pieces.map { ($0.assignment, $0.places) }))
    }

    /// What the layer's weights are now. Waits for the device.
    var figures: (counts: TernaryCounts, levels: TernaryLevels, lambda: Double) {
        get throws { (assignment.counts, try levels, try lambdaTensor.item()) }
    }
}

// MARK: - Tensors as one list of weights

extension TernaryLayer {
    private static func gather(_ tensors: [(TorchTensor, places: [Int]?)]) throws -> [Float] {
        var values: [Float] = []
        for (tensor, places) in tensors {
            let elements = try tensor.host().elements
            if let places {
                for place in places { values.append(elements[place]) }
            } else if values.isEmpty {
                values = elements
            } else {
                values += elements
            }
        }
        return values
    }

    /// Zero off the support.
    private func scatter(_ values: [Float], into tensors: [TorchTensor]) throws {
        var start = 0
        for (piece, target) in zip(pieces, tensors) {
            let own = values[start..<start + piece.count]
            start += piece.count
            var elements = Array(own)
            if let places = piece.places {
                elements = Array(repeating: 0, count: target.shape.count)
                for (place, value) in zip(places, own) { elements[place] = value }
            }
            try Torch.withoutGradients { () throws(TorchError) in
                try target.copy(from: TorchTensor(Tensor(shape: target.shape, elements: elements), on: target.device))
            }
        }
    }
}

extension Array {
    fileprivate func indices(where isIncluded: (Element) -> Bool) -> [Int] {
        indices.filter { isIncluded(self[$0]) }
    }
}
