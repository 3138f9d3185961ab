import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

extension NetworkArguments {
    /// The model in the file at `path`: a Tapestry model, in any kind of checkpoint that has its graph; or, with --arch,
    /// the named network with the file's weights, be they those of training or of a deployed network. `implied` as in
    /// `network(implied:)`.
    ///
    /// Throws: `InputNotFound`, `FormatError`; `CommandFailure` where the file holds weights alone and no option names
    /// their network.
    package func model(at path: String, implied: NetworkOptions = NetworkOptions()) throws -> Model {
        guard arch != nil else {
            guard method == nil, methodConfig == nil else {
                throw CommandFailure(
                    .usage, "--method says how a bare checkpoint was trained; name its network by --arch too")
            }
            guard try given == NetworkOptions() else {
                throw CommandFailure(.usage, "options that shape a network need --arch, which names it")
            }
            return try Self.selfDescribingModel(at: path)
        }
        let checkpoint = try Checkpoint.read(path)
        let network = try network(implied: implied)
        return try fit(
            checkpoint, path: path,
            to: [{ network.graph }, { try network.graph.deployed(.inBranches) }, { try network.graph.deployed() }])
    }

    /// The network that the options name, with fresh weights, which are the same every time, or with those of the model
    /// file that --arch names.
    ///
    /// Throws: as `network(implied:)`.
    func freshModel() throws -> Model {
        let network = try network()
        if let model = network.model { return model }
        var model = try Model(graph: network.graph, weights: .initial(for: network.graph, seed: 1))
        model.facts["architecture"] = arch
        model.facts["method"] = try assignment()?.text ?? "dense"
        return model
    }

    /// The model that a checkpoint's weights and the first of the graphs that they fit make.
    ///
    /// Throws: `FormatError` that says how they differ from the graph that they come nearest to.
    func fit(_ checkpoint: Checkpoint, path: String, to graphs: [() throws -> Graph]) throws -> Model {
        var nearest: StateDictMismatch?
        for graph in graphs {
            let graph = try graph()
            do {
                let weights = try StateDict.weights(of: graph, from: checkpoint.tensors)
                return try Model(graph: graph, weights: weights, facts: facts(checkpoint))
            } catch let mismatch as StateDictMismatch {
                if mismatch.count < nearest?.count ?? .max { nearest = mismatch }
            }
        }
        let options = [("--arch", arch), ("--method", method), ("--method-config", methodConfig)]
            .compactMap { name, value in value.map { "\(name) \($0)" } }.joined(separator: " ")
        throw FormatError(
            file: path, reason: "is not a checkpoint of \(options): \(nearest?.description ?? "it has no tensors")")
    }

    /// What a model of a bare checkpoint should know about itself.
    private func facts(_ checkpoint: Checkpoint) throws -> [String: String] {
        var facts = checkpoint.metadata.filter { !$0.key.hasPrefix("tapestry.") }
        facts["architecture"] = arch
        facts["method"] = try assignment()?.text ?? "dense"
        return facts
    }

    /// The model in a file that has its graph.
    ///
    /// Throws: `InputNotFound`, `FormatError`; `CommandFailure` for weights alone.
    static func selfDescribingModel(at path: String) throws -> Model {
        if try Checkpoint.kind(of: path) == .safetensors { return try ModelFile.read(path) }
        let checkpoint = try Checkpoint.read(path)
        guard ModelFile.isModel(checkpoint) else {
            throw CommandFailure(
                .usage,
                "\(path) holds weights alone; name their network by --arch, and by --method if it was trained with one")
        }
        return try ModelFile.model(in: checkpoint, path: path)
    }
}
