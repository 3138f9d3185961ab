/// The law of graphs: what every executor, rewrite and file format may rely on.
public enum Verifier {
    /// Throws `GraphError` naming the first node that breaks a rule:
    /// 1. names are not empty, not `Graph.inputName`, and each stands for one node;
    /// 2. nodes take values only from the input and from earlier nodes, as many as their operation needs;
    /// 3. shapes fit, and every extent and support is possible;
    /// 4. parameter names are unique;
    /// 5. the output exists, and every node leads to it.
    public static func verify(_ graph: Graph) throws(GraphError) {
        try verifyInput(graph.inputShape)
        try verifyNames(graph)
        for (node, shape) in zip(graph.nodes, try graph.outputShapes()) {
            guard shape.dimensions.allSatisfy({ $0 >= 1 }), shape.checkedCount ?? .max <= largestValueCount else {
                throw GraphError(node: node.name, reason: "its value has shape \(shape), empty or beyond any memory")
            }
            try verifyNumbers(node)
        }
        try verifyUse(graph)
    }

    private static let largestValueCount = 1 << 34

    private static func verifyInput(_ shape: Shape) throws(GraphError) {
        guard shape.rank == 3, shape.dimensions.allSatisfy({ (1...Convolution.largestExtent).contains($0) }),
            shape.checkedCount ?? .max <= largestValueCount
        else { throw GraphError(node: Graph.inputName, reason: "shape \(shape) is not channels x height x width") }
    }

    private static func verifyNames(_ graph: Graph) throws(GraphError) {
        var names: Set<String> = [Graph.inputName]
        var parameterNames: Set<String> = []
        for node in graph.nodes {
            guard !node.name.isEmpty, names.insert(node.name).inserted else {
                throw GraphError(node: node.name, reason: "the name is empty, reserved or taken by another node")
            }
            if case .convolution(let convolution) = node.operation {
                // Before the parameters are listed, whose shapes are only then known to be possible.
                do { try convolution.validate() } catch { throw GraphError(node: node.name, reason: error.description) }
            }
            for parameter in node.parameters {
                guard parameterNames.insert(parameter.name).inserted else {
                    throw GraphError(node: node.name, reason: "another node has a parameter \"\(parameter.name)\" too")
                }
            }
        }
    }

    private static func verifyNumbers(_ node: Node) throws(GraphError) {
        guard case .batchNorm(let norm) = node.operation else { return }
        guard norm.epsilon > 0, norm.epsilon.isFinite, (0...1).contains(norm.momentum) else {
            throw GraphError(node: node.name, reason: "epsilon \(norm.epsilon) or momentum \(norm.momentum) is impossible")
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
