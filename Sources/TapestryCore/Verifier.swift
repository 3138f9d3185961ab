/// The law of graphs: what every executor, rewrite and file format may rely on.
public enum Verifier {
    /// Throws `GraphError` naming the first node that breaks a rule:
    /// 1. names are not empty, not `Graph.inputName`, and each stands for one node;
    /// 2. nodes take values only from the input and from earlier nodes, as many as their operation needs;
    /// 3. shapes fit, and every extent, support and number is possible;
    /// 4. parameter names are unique;
    /// 5. the output exists, and every node leads to it.
    public static func verify(_ graph: Graph) throws(GraphError) {
        try verifyNames(graph)
        _ = try graph.outputShapes()
        for node in graph.nodes { try verifyNumbers(node) }
        // Parameters are listed only now that their shapes are known to be possible.
        try verifyParameterNames(graph)
        try verifyUse(graph)
    }

    private static func verifyNames(_ graph: Graph) throws(GraphError) {
        var names: Set<String> = [Graph.inputName]
        for node in graph.nodes {
            guard !node.name.isEmpty, names.insert(node.name).inserted else {
                throw GraphError(node: node.name, reason: "the name is empty, reserved or taken by another node")
            }
        }
    }

    private static func verifyParameterNames(_ graph: Graph) throws(GraphError) {
        var names: Set<String> = []
        for node in graph.nodes {
            for parameter in node.parameters {
                guard names.insert(parameter.name).inserted else {
                    throw GraphError(node: node.name, reason: "another node has a parameter \"\(parameter.name)\" too")
                }
            }
        }
    }

    private static func verifyNumbers(_ node: Node) throws(GraphError) {
        func require(_ isPossible: Bool, _ reason: String) throws(GraphError) {
            if !isPossible { throw GraphError(node: node.name, reason: reason) }
        }
        switch node.operation {
        case .batchNorm(let norm):
            try require(
                norm.epsilon > 0 && norm.epsilon.isFinite && (0...1).contains(norm.momentum),
                "epsilon \(norm.epsilon) or momentum \(norm.momentum) is impossible")
            try require(norm.weightInitialization.isPossible, "its weight cannot start as \(norm.weightInitialization)")
        case .convolution(let layer):
            try require(
                layer.weightInitialization.isPossible, "its weight cannot start as \(layer.weightInitialization)")
            try require(layer.biasInitialization.isPossible, "its bias cannot start as \(layer.biasInitialization)")
        case .linear(let layer):
            try require(
                layer.weightInitialization.isPossible, "its weight cannot start as \(layer.weightInitialization)")
            try require(layer.biasInitialization.isPossible, "its bias cannot start as \(layer.biasInitialization)")
        case .dropout(let probability), .dropBranch(let probability):
            try require((0..<1).contains(probability), "its probability \(probability) is not within 0..<1")
        case .affine, .relu, .sigmoid, .swish, .maxPool, .averagePool, .globalAveragePool, .add, .scaleChannels,
            .shift, .padChannels, .stopGradient, .flatten:
            break
        }
    }

    private static func verifyUse(_ graph: Graph) throws(GraphError) {
        guard graph.node(named: graph.outputName) != nil else {
            throw GraphError(node: graph.outputName, reason: "is named as the output but does not exist")
        }
        var used: Set<String> = [graph.outputName]
        for node in graph.nodes.reversed() {
            guard used.contains(node.name) else {
                throw GraphError(node: node.name, reason: "nothing takes its value")
            }
            used.formUnion(node.inputs)
        }
    }
}

extension Initialization {
    fileprivate var isPossible: Bool {
        switch self {
        case .constant(let value): value.isFinite
        case .normal(let deviation): deviation.isFinite && deviation >= 0
        case .fanOutNormal, .fanInNormal, .fanInUniform, .unitUniform: true
        }
    }
}
