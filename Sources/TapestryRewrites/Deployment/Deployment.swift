import TapestryCore

/// Which batch norms go into the weights of the layers before them when a network is deployed.
public enum BatchNormFolding: Sendable {
    /// All that follow a convolution or a linear layer.
    case everywhere
    /// Those of branches that become one convolution, without which they could not; as ACNet's own converter does.
    case inBranches
}

extension Model {
    /// The cheapest network found that computes the same in evaluation: training-only operations gone, batch norms folded,
    /// parallel convolutions merged, shifts folded into the convolutions that follow.
    ///
    /// Ternary weights stay ternary where that stores less: their batch norms become affine operations, a factor and a
    /// summand for each channel, and the convolutions are not merged with others.
    ///
    /// The arithmetic is in double precision, weights are rounded to 32 bits once, at the end. The facts are kept. Throws
    /// `GraphError` where folded weights are not finite.
    public func deployed(_ folding: BatchNormFolding = .everywhere) throws(GraphError) -> FrozenModel {
        var network = DeployingNetwork(self)
        try network.deploy(folding)
        let model = try Model(graph: network.graph, weights: try network.roundedWeights(), facts: facts)
        return try FrozenModel(model)
    }
}

extension Graph {
    /// The graph of this network's deployed form; see `Model.deployed(_:)`. Throws `GraphError` where this graph breaks a
    /// rule.
    public func deployed(_ folding: BatchNormFolding = .everywhere) throws(GraphError) -> Graph {
        try Verifier.verify(self)
        var weights = Weights()
        for parameter in parameters { weights.tensors[parameter.name] = Tensor(shape: parameter.shape, repeating: 0) }
        return try Model(graph: self, weights: weights).deployed(folding).graph
    }
}

/// A network on its way to its deployed form. Each pass is a file of its own, an extension of this type.
struct DeployingNetwork {
    /// A convolution or linear layer of the network before, and the batch norm or affine operation folded into it.
    struct Layer: Equatable {
        var name: String
        var batchNorm: String?
        var affine: String?
    }

    /// The layers that a deployed one has come from.
    struct Origin: Equatable {
        /// Of merged convolutions the one that has every tap of all; nil where none does.
        var main: Layer?
        var others: [Layer] = []
    }

    private let inputShape: Shape
    private(set) var nodes: [Node]
    private(set) var outputName: String
    /// The parameters' values by state-dict key.
    var tensors: [String: Tensor<Double>]
    private let batchCounts: [String: Int64]
    private(set) var keepsTernary = true
    /// Of every convolution and linear layer, by its name.
    var origins: [String: Origin] = [:]

    init(_ model: Model) {
        inputShape = model.graph.inputShape
        nodes = model.graph.nodes
        outputName = model.graph.outputName
        tensors = model.weights.tensors.mapValues { $0.map(Double.init) }
        batchCounts = model.weights.batchCounts
        for node in nodes {
            switch node.operation {
            case .convolution, .linear: origins[node.name] = Origin(main: Layer(name: node.name))
            default: break
            }
        }
    }

    /// - Parameter keepsTernary: whether ternary weights stay what they are, rather than to be folded and merged.
    mutating func deploy(_ folding: BatchNormFolding, keepsTernary: Bool = true) throws(GraphError) {
        self.keepsTernary = keepsTernary
        try removeTrainingOnly()
        try foldBatchNorms(folding)
        try mergeParallelConvolutions()
        try foldShifts()
        try removeIdentities()
    }

    var graph: Graph { Graph(inputShape: inputShape, nodes: nodes, outputName: outputName) }

    /// Throws `GraphError` at a value that 32 bits cannot hold.
    func roundedWeights() throws(GraphError) -> Weights {
        var weights = Weights()
        for node in nodes {
            for parameter in node.parameters {
                let rounded = tensors[parameter.name]!.map(Float.init)
                guard rounded.elements.allSatisfy(\.isFinite) else {
                    throw GraphError(node: node.name, reason: "folded, its \"\(parameter.name)\" is not finite")
                }
                weights.tensors[parameter.name] = rounded
            }
            if let name = node.batchCountName { weights.batchCounts[name] = batchCounts[name] }
        }
        return weights
    }
}

// MARK: - What passes do with nodes

extension DeployingNetwork {
    func node(named name: String) -> Node? { nodes.first { $0.name == name } }

    /// Calls `body` with each node in turn as it is by then: what was done to those before may have changed its inputs,
    /// or have taken it away.
    mutating func forEachNode(_ body: (inout DeployingNetwork, Node) throws(GraphError) -> Void) throws(GraphError) {
        for name in nodes.map(\.name) {
            if let node = node(named: name) { try body(&self, node) }
        }
    }

    /// The one node that takes the value of `name`; nil where several do, or the value is the network's.
    func soleConsumer(of name: String) -> Node? {
        guard name != outputName else { return nil }
        let consumers = nodes.lazy.filter { $0.inputs.contains(name) }.prefix(2)
        // One that takes it twice is no reason to keep it, but no pass has a use for that.
        guard consumers.count == 1, let consumer = consumers.first,
            consumer.inputs.count(where: { $0 == name }) == 1
        else { return nil }
        return consumer
    }

    /// Takes a node away: who took its value takes `value`.
    mutating func remove(_ name: String, substituting value: String) {
        for input in nodes.first(where: { $0.name == name })?.parameters ?? [] { tensors[input.name] = nil }
        nodes.removeAll { $0.name == name }
        for index in nodes.indices {
            for place in nodes[index].inputs.indices where nodes[index].inputs[place] == name {
                nodes[index].inputs[place] = value
            }
        }
        if outputName == name { outputName = value }
    }

    /// Puts another node in the place of the one called `name`, under its own name.
    mutating func replace(_ name: String, by node: Node) {
        guard let index = nodes.firstIndex(where: { $0.name == name }) else { return }
        nodes[index] = node
    }
}

// MARK: - What passes do with weights

extension DeployingNetwork {
    /// The weights of a convolution spread over a dense OIHW kernel.
    func denseWeights(of convolution: Convolution, named name: String) -> Tensor<Double> {
        convolution.denseWeights(from: convolution.storedWeights.map { tensors["\(name).\($0.suffix)"]! })
    }

    /// Stores the weights of a convolution, those of a dense kernel that its support has.
    mutating func setWeights(of convolution: Convolution, named name: String, to dense: Tensor<Double>) {
        for (stored, tensor) in zip(convolution.storedWeights, convolution.storedWeights(from: dense)) {
            tensors["\(name).\(stored.suffix)"] = tensor
        }
    }

    /// The biases of a layer of so many outputs; zeros where it has none.
    func biases(named name: String, outputs: Int) -> [Double] {
        tensors["\(name).bias"]?.elements ?? Array(repeating: 0, count: outputs)
    }
}
