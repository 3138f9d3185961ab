import TapestryCore
import TapestryRewrites
import TapestryRuntime

/// What computes a network's class scores for single images: Tapestry's own kernels.
struct LogitsEngine {
    private let network: NativeNetwork

    /// Throws: `CommandFailure` where the weights of the model at `path` are not finite.
    init(_ model: Model, path: String) throws {
        let budget = ThreadBudget.current()
        network = try NativeNetwork(model.runnable(path: path), threads: budget.count)
        summary = "computed by Tapestry's kernels (\(network.instructionSet.name)), threads: \(budget.count)"
    }

    /// What computes, for a line on standard error.
    let summary: String

    /// The scores of one C x H x W input.
    func logits(of input: Tensor<Float>) throws -> [Double] {
        try network(input.reshaped(to: Shape([1] + input.shape.dimensions))).elements.map(Double.init)
    }
}

extension Model {
    /// The deployed network. Throws: `CommandFailure` where the weights of the model at `path` are not finite.
    func runnable(path: String) throws -> FrozenModel {
        // A model that was read is sound but for its numbers.
        do { return try deployed() } catch {
            throw CommandFailure(.badData, "\(path): node \"\(error.node)\": its weights are not finite")
        }
    }
}
