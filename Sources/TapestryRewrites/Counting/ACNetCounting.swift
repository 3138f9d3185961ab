import TapestryCore

/// What an ACNet stores and computes once deployed.
extension CountingConvention {
    /// Each asymmetric convolution block fused into one convolution with a bias. A plain 3x3 or 5x5 convolution, which can
    /// become such a block, is counted like the block: its batch norm goes where the unit has it after the
    /// convolution, and stays where it has it before. Others, of 1x1 or 7x7, keep theirs.
    public static let acnetDeployed = CountingConvention(
        name: "deployed", unit: "multiply-adds",
        explanation: "after training, with each asymmetric block, or convolution that can be one, fused with a bias"
    ) { graph throws(GraphError) in
        try DeployedACNet(graph).total
    }
}

/// Counts the blocks of a graph as fused.
private struct DeployedACNet {
    private let graph: Graph
    private let layers: [String: Count.Layer]
    private let consumers: [String: [Node]]
    /// The sums of normalised convolutions by the name of the node that has their value.
    private var sums: [String: Sum] = [:]
    private(set) var total: CountingConvention.Total

    /// A convolution of one value, or the sum of several.
    private struct Sum {
        let source: String
        /// That of the largest kernel, which the others' fit into.
        var convolution: Node
        /// Convolutions and norms.
        var nodes: [Node]
    }

    init(_ graph: Graph) throws(GraphError) {
        let count = try Count(graph)
        self.graph = graph
        layers = Dictionary(uniqueKeysWithValues: count.layers.map { ($0.name, $0) })
        total = CountingConvention.Total(parameters: count.parameters, macs: count.macs)
        var consumers: [String: [Node]] = [:]
        for node in graph.nodes { for input in node.inputs { consumers[input, default: []].append(node) } }
        self.consumers = consumers
        for node in graph.nodes { add(node) }
        let blocks = sums.values.filter { $0.nodes.count > 2 }
        for block in blocks { fuse(block) }
        let inBlocks = Set(blocks.flatMap { $0.nodes.map(\.name) })
        for node in graph.nodes where !inBlocks.contains(node.name) && Self.canBeBlock(node) { deploy(node) }
    }
}

extension DeployedACNet {
    /// Recognises a sum that ends at a node.
    private mutating func add(_ node: Node) {
        if case .batchNorm = node.operation {
            guard let convolution = graph.node(named: node.inputs[0]), case .convolution = convolution.operation,
                consumers[convolution.name]?.count == 1
            else { return }
            sums[node.name] = Sum(source: convolution.inputs[0], convolution: convolution, nodes: [convolution, node])
        } else if node.operation == .add {
            guard let a = sums[node.inputs[0]], let b = sums[node.inputs[1]], a.source == b.source,
                node.inputs.allSatisfy({ consumers[$0]?.count == 1 })
            else { return }
            let larger = Self.area(a.convolution) >= Self.area(b.convolution) ? a : b
            sums[node.name] = Sum(source: a.source, convolution: larger.convolution, nodes: a.nodes + b.nodes)
            for input in node.inputs { sums[input] = nil }
        }
    }

    /// Leaves only the largest kernel, with a bias.
    private mutating func fuse(_ block: Sum) {
        guard case .convolution(let convolution) = block.convolution.operation else { return }
        for node in block.nodes {
            parameters(-(layers[node.name]?.parameters ?? 0), macs: -(layers[node.name]?.macs ?? 0))
        }
        parameters(
            convolution.weightCount + convolution.outputChannels, macs: layers[block.convolution.name]?.macs ?? 0)
    }

    /// Gives a plain convolution the bias, and takes the norm of its unit away.
    private mutating func deploy(_ node: Node) {
        guard case .convolution(let convolution) = node.operation else { return }
        let norm = consumers[node.name] ?? []
        let hasNorm = node.name.hasSuffix(".conv") && norm.map(\.name) == ["\(node.name.dropLast(5)).bn"]
        if !convolution.hasBias { parameters(convolution.outputChannels, macs: 0) }
        if hasNorm { parameters(-2 * convolution.outputChannels, macs: 0) }
    }

    private mutating func parameters(_ parameters: Int, macs: Int) {
        total = CountingConvention.Total(
            parameters: total.parameters + parameters, macs: total.macs + Double(macs))
    }

    private static func canBeBlock(_ node: Node) -> Bool {
        guard case .convolution(let convolution) = node.operation else { return false }
        return convolution.kernel == .square(3) || convolution.kernel == .square(5)
    }

    private static func area(_ node: Node) -> Int {
        if case .convolution(let convolution) = node.operation { convolution.kernel.area } else { 0 }
    }
}
