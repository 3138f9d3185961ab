import TapestryCommandLine
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes

extension Quantize {
    func quantize() throws { try Processes.with(runArguments, computing, quantize) }

    private func quantize(with processes: Processes) throws {
        let base = try baseConfiguration()
        let grid = RunGrid(
            folder: runArguments.folder, cells: try cells(base), arguments: runArguments,
            budget: computing.threads.budget, processes: processes)
        let results = try grid.run()
        guard processes.isFirst else { return }
        let rows = try results.map { result in
            let path = result.folder.best
            return QuantizationRow(result, figures: try QuantizedFigures(ModelFile.read(path), path: path))
        }
        try QuantizationTable(rows).print(json: runArguments.json)
    }

    /// Everything that the cells share, and the model that they start from.
    private func baseConfiguration() throws -> (configuration: RunConfiguration, model: Model, path: String) {
        let (model, path) = try startingModel()
        var configuration = try RunConfiguration(
            startingFrom: model, path: path, data: dataArguments, computing: computing
        ) { architecture in
            try Recipes.recipe(recipeArguments.recipe, over: Recipes.quantization(ofArchitecture: architecture))
        }
        if self.model == nil {
            configuration.model = nil
            configuration.variant = try networkArguments.variant.options()
            configuration.variant.isCorrected = false
        }
        configuration.trainingLimit = runArguments.limitTrain
        if !prune.isEmpty, recipeArguments.recipe == nil { configuration.recipe.epochs = 10 }
        try recipeArguments.apply(to: &configuration)
        // What the recipe has are the epochs with the assignment moving.
        let assigning = configuration.recipe.epochs
        var settings = TernarizationSettings()
        settings.mode = prune.isEmpty ? .ternarize : .prune
        settings.reading = networkArguments.variant.corrected ? .corrected : .published
        settings.assigningEpochs = assigning
        settings.levelLearningRate = levelLearningRate
        settings.scalesChannels = channelScales
        if case .kMeans(let count) = centroids {
            settings.start = .kmeans
            settings.centroids = count
        }
        configuration.ternarization = settings
        configuration.recipe.epochs = assigning + (retrainEpochs ?? (prune.isEmpty ? 15 : 0))
        return (configuration, model, path)
    }

    private func startingModel() throws -> (Model, path: String) {
        // Of the network's own variants the published one: here --corrected is about the quantisation.
        var network = networkArguments
        network.variant.corrected = false
        let opened = try DatasetKind.open(dataArguments.dataset, directory: dataArguments.data!, split: .train)
        let implied = opened.kind.networkOptions(of: opened.dataset)
        if let path = model { return (try network.model(at: path, implied: implied), path) }
        let graph = try network.network(implied: implied).graph
        let facts = ["architecture": network.arch, "method": try network.assignment()?.text].compactMapValues { $0 }
        return (try Model(graph: graph, weights: .hashed(for: graph), facts: facts), network.arch!)
    }

    /// One for each pair of the grid, and of these one for each group of layers that is pruned.
    private func cells(
        _ base: (configuration: RunConfiguration, model: Model, path: String)
    ) throws -> [RunGrid.Cell] {
        let graph = base.model.graph
        let before = try base.model.quantizedLayers(path: base.path)
        let groups = try layerGroups(of: graph, architecture: base.configuration.architecture, before: before)
        let shares: [Double?] = if case .kMeans = centroids { [nil] } else { iniCDivrs }
        var cells: [RunGrid.Cell] = []
        for share in shares {
            for lambda in lambdaMaxDivrs {
                let pair = (share.map { "c\($0)-" } ?? "kmeans-") + "l\(lambda)"
                var fixed = before
                var start: RunFolder?
                for group in groups {
                    var configuration = base.configuration
                    configuration.ternarization?.startShare = share ?? TernarizationSettings().startShare
                    configuration.ternarization?.lambdaShare = lambda
                    configuration.ternarization?.layers = group.layers
                    configuration.ternarization?.fixedLayers = fixed.filter { !group.layers.contains($0) }
                    fixed += group.layers.filter { !fixed.contains($0) }
                    let isOnlyPair = shares.count * lambdaMaxDivrs.count == 1
                    let name = groups.count == 1 ? pair : isOnlyPair ? group.name : "\(pair)/\(group.name)"
                    let folder = RunFolder(path: "\(runArguments.folder)/\(name)")
                    if let start { configuration.model = DataArguments.absolute(start.best) }
                    let (path, settings) = (start?.best, configuration.ternarization!)
                    cells.append(
                        RunGrid.Cell(name: name, configuration: configuration) {
                            let model = try path.map { try ModelFile.read($0) } ?? base.model
                            guard settings.scalesChannels else { return model }
                            return try model.scalingChannels(
                                of: settings.layers, by: settings.method, from: settings.startingLevels)
                        })
                    start = folder
                }
            }
        }
        return cells
    }

    /// The layers that are quantised together, without those that have been before, be it by an earlier group, unless
    /// --layers names them.
    ///
    /// Throws: `CommandFailure` where there are none.
    private func layerGroups(
        of graph: Graph, architecture: String, before: [String]
    ) throws -> [(name: String, layers: [String])] {
        var before = before
        func group(_ name: String, _ layers: [String], option: String) throws -> (name: String, layers: [String]) {
            guard !layers.isEmpty else {
                throw CommandFailure(
                    .usage, "\(option): the network has no such layers with weights (`tapestry show` lists them)")
            }
            let left = self.layers.isEmpty ? layers.filter { !before.contains($0) } : layers
            guard !left.isEmpty else {
                throw CommandFailure(
                    .usage, "\(option): these layers are quantised already; `tapestry retrain` trains the rest on")
            }
            before += left
            return (name, left)
        }
        if prune.isEmpty {
            for pattern in layers where graph.layers(matching: [pattern]).isEmpty {
                _ = try group("", [], option: "--layers \(pattern)")
            }
            let names =
                layers.isEmpty
                ? graph.ternarizableLayers(architecture: architecture) : graph.layers(matching: layers)
            return [try group("ternary", names, option: layers.isEmpty ? "quantize" : "--layers")]
        }
        return try prune.map { what in
            try group(
                what.replacing("*", with: "").replacing("/", with: "-"),
                graph.layers(pruned: PrunedLayers(option: what), architecture: architecture), option: "--prune \(what)")
        }
    }
}

/// What a cell of a grid came to.
struct QuantizationRow: Encodable {
    let run: String
    let cell: String
    /// Nil where levels start otherwise.
    let startShare: Double?
    let lambdaShare: Double
    /// Of the best epoch, in per cent.
    let top1: Double
    let epoch: Int
    let figures: QuantizedFigures?

    enum CodingKeys: String, CodingKey {
        case run, cell, top1, epoch, figures
        case startShare = "ini_c_divr"
        case lambdaShare = "lambda_max_divr"
    }

    init(_ result: RunGrid.Result, figures: QuantizedFigures?) {
        run = result.folder.path
        cell = result.cell.name
        let settings = result.cell.configuration.ternarization ?? TernarizationSettings()
        startShare = settings.start == .threshold ? settings.startShare : nil
        lambdaShare = settings.lambdaShare
        top1 = result.top1
        epoch = result.best.epoch
        self.figures = figures
    }
}

/// The cells of a grid, those marked than which none is better.
private struct QuantizationTable {
    private let rows: [QuantizationRow]

    init(_ rows: [QuantizationRow]) { self.rows = rows }

    private func isOnFront(_ row: QuantizationRow) -> Bool {
        guard let figures = row.figures else { return false }
        return !rows.contains { other in
            other.figures.map { figures.isWorse(than: $0, top1: row.top1, otherTop1: other.top1) } ?? false
        }
    }

    private struct Document: Encodable {
        let cells: [QuantizationRow]
        /// The cells than which none is better in everything.
        let front: [String]
    }

    func print(json: Bool) throws {
        if json { return try Console.printJSON(Document(cells: rows, front: rows.filter(isOnFront).map(\.cell))) }
        var table = Table(
            ("run", .left), ("c", .right), ("lambda", .right), ("top-1", .right), ("at", .right),
            ("sparsity", .right), ("bytes", .right), ("score", .right), ("front", .left))
        for row in rows {
            table.append(
                row.run, row.startShare.map { "\($0)" } ?? "k-means", "\(row.lambdaShare)", row.top1.percent,
                "\(row.epoch)",
                row.figures?.sparsity.percent ?? "–", row.figures?.bytes.groupedWhole ?? "–",
                row.figures?.score.significant(4) ?? "–", isOnFront(row) ? "*" : "")
        }
        try Console.print(
            table.text
                + "top-1 of the best epoch; sparsity of the quantised layers; bytes of the whole model, each layer in its"
                + " smallest format;\nscore: the MicroNet challenge's; *: no other is better in everything\n")
    }
}
