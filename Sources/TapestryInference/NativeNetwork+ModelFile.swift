@_exported import TapestryCore
@_exported import TapestryModelFile
@_exported import TapestryRewrites
@_exported import TapestryRuntime

/// All that it takes to run a network from a file; `import TapestryInference` is enough to use it.
///
///     let network = try NativeNetwork(contentsOf: "model.safetensors", threads: 2)
///     let logits = try network(images)  // N x C x H x W in, N x classes out
extension NativeNetwork {
    /// Reads the model file at `path`, deploys its network if it is not deployed yet, and plans it as `init(_:)` does. Who
    /// needs the model's facts too, such as the names of its classes, calls these one by one:
    ///
    ///     let model = try ModelFile.read(path)
    ///     let network = try NativeNetwork(model.deployed())
    ///
    /// Precondition: `threads > 0`, `batch > 0`. Throws `InputNotFound`; `FormatError` where the file is damaged, is no
    /// model, or its weights are not finite; `UnknownInstructionSet` as `init(_:)` does.
    public convenience init(
        contentsOf path: String, batch: Int = 1, threads: Int = 1, precision: NativePrecision = .fp32,
        instructionSet: InstructionSet? = nil
    ) throws {
        try self.init(
            ModelFile.read(path), from: path, batch: batch, threads: threads, precision: precision,
            instructionSet: instructionSet)
    }

    /// As above, of a model that was read from the file at `path`.
    package convenience init(
        _ model: Model, from path: String, batch: Int, threads: Int, precision: NativePrecision = .fp32,
        instructionSet: InstructionSet? = nil
    ) throws {
        let deployed: FrozenModel
        // A model that was read is sound but for its numbers.
        do { deployed = try model.deployed() } catch { throw FormatError(file: path, reason: error.description) }
        try self.init(
            deployed, batch: batch, threads: threads, precision: precision, instructionSet: instructionSet)
    }
}
