/// A network as it is in evaluation, for good: nothing in it acts in training only, so that what is deployed cannot be a
/// network that still drops values or that was left in its training mode.
///
/// `Model.deployed(_:)` makes one that is as cheap as it can be made without changing what it computes.
public struct FrozenModel: Sendable {
    /// The network, its weights and its facts.
    public let model: Model

    public var graph: Graph { model.graph }
    public var weights: Weights { model.weights }

    /// Throws `GraphError` naming the first node that acts in training only.
    public init(_ model: Model) throws(GraphError) {
        if let node = model.graph.nodes.first(where: { $0.operation.isForTrainingOnly }) {
            throw GraphError(
                node: node.name, reason: "\(node.operation.kind) acts in training only; a deployed network has none")
        }
        self.model = model
    }
}
