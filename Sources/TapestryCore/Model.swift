/// A network with the values of its parameters, and what its user should know about it.
public struct Model: Sendable {
    public var graph: Graph
    public var weights: Weights
    /// Free facts by key ("architecture", "method", "classes", "normalization" …), kept in the model file.
    public var facts: [String: String]

    /// Throws `GraphError` where the graph breaks a rule or the weights do not fit it.
    public init(graph: Graph, weights: Weights, facts: [String: String] = [:]) throws(GraphError) {
        try Verifier.verify(graph)
        try weights.check(against: graph)
        self.graph = graph
        self.weights = weights
        self.facts = facts
    }
}
