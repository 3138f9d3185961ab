import TapestryCore
import TapestryModelFile

/// Models in checkpoints of other kinds, which have a network's graph beside its tensors as a model file has it.
extension ModelFile {
    /// Whether a checkpoint of any kind has a network's graph beside its tensors, and so is a model.
    public static func isModel(_ checkpoint: Checkpoint) -> Bool { checkpoint.metadata[graphKey] != nil }

    /// The model in a checkpoint of any kind that has its graph, read from the file at `path`.
    ///
    /// Throws: `FormatError` as `read` does.
    public static func model(in checkpoint: Checkpoint, path: String) throws -> Model {
        let graph = try graph(in: checkpoint.metadata, path: path)
        do {
            try Verifier.verify(graph)
            let weights = try StateDict.weights(of: graph, from: checkpoint.tensors)
            return try Model(graph: graph, weights: weights, facts: facts(in: checkpoint.metadata))
        } catch let error as GraphError {
            throw FormatError(file: path, reason: error.description)
        } catch let error as StateDictMismatch {
            throw FormatError(file: path, reason: "its tensors are not those of its graph: \(error)")
        }
    }

    /// Writes a model as a checkpoint of PyTorch: its tensors as the published programs name them under `state_dict`, and
    /// beside it, as text, what a model file's metadata holds, so that the file is a model here as well.
    ///
    /// Precondition and `Throws` as `write`.
    public static func writePyTorch(_ model: Model, layout: StateDict.Layout, to path: String) throws {
        try PyTorchCheckpoint.write(
            StateDict.tensors(of: model, layout: layout), to: path, under: PyTorchStateDict.wrappers[0],
            facts: try metadata(of: model))
    }
}
