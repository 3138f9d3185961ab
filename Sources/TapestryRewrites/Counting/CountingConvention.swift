import TapestryCore

/// A published way of counting, which differs from the exact one and is needed to compare with published tables. Each
/// system's are in a file of their own.
public struct CountingConvention: Sendable {
    public struct Total: Hashable, Sendable {
        public let parameters: Int
        /// Not always a whole number: some conventions have fractions.
        public let macs: Double

        public init(parameters: Int, macs: Double) {
            self.parameters = parameters
            self.macs = macs
        }

        public init(parameters: Int, macs: Int) { self.init(parameters: parameters, macs: Double(macs)) }
    }

    /// The key in JSON: "published" for the one in the paper's tables.
    public let name: String
    /// What its `macs` are called: papers call multiply-adds FLOPs, and some count other operations among them.
    public let unit: String
    /// How it differs from the exact count, in one line.
    public let explanation: String
    private let total: @Sendable (Graph) throws(GraphError) -> Total

    public init(
        name: String = "published", unit: String = "\"FLOPs\"", explanation: String,
        total: @escaping @Sendable (Graph) throws(GraphError) -> Total
    ) {
        self.name = name
        self.unit = unit
        self.explanation = explanation
        self.total = total
    }

    /// Throws `GraphError` where the graph's shapes do not fit.
    public func count(_ graph: Graph) throws(GraphError) -> Total { try total(graph) }
}
