import TapestryCore
import TapestryFormats
import TapestryMethods

/// Model files that the tests of commands read.
enum ModelFixtures {
    /// A published network with fresh weights, which `change` may spoil.
    static func write(
        _ path: String, facts: [String: String] = [:], change: (inout Weights) -> Void = { _ in }
    ) throws {
        let graph = try Zoo.architecture(named: "ask/resnet8").graph()
        try write(graph, to: path, facts: facts, change: change)
    }

    static func write(
        _ graph: Graph, to path: String, facts: [String: String] = [:], change: (inout Weights) -> Void = { _ in }
    ) throws {
        var weights = Weights.initial(for: graph, seed: 1)
        change(&weights)
        try ModelFile.write(try Model(graph: graph, weights: weights, facts: facts), to: path)
    }
}
