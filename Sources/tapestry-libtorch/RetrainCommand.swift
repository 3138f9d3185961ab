import Foundation
import TapestryCommandLine
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryRecipes

extension Retrain {
    func retrain() throws { try Processes.with(runArguments, computing, retrain) }

    private func retrain(with processes: Processes) throws {
        let grid = RunGrid(
            folder: runArguments.folder, cells: try cells(), arguments: runArguments,
            budget: computing.threads.budget, processes: processes)
        // A grid is there to find the first that is good enough.
        let results = try grid.run { $0.hasReachedTarget }
        guard processes.isFirst else { return }
        try GridTable(try results.map { try GridRow($0) }, what: "run").print(json: runArguments.json)
    }

    private func cells() throws -> [RunGrid.Cell] {
        let sources = try self.sources()
        let rates: [Double?] = lrs.isEmpty ? [nil] : lrs
        return try sources.flatMap { source in
            let model = try model(at: source.path)
            var configuration = try configuration(for: model, path: source.path)
            return rates.map { rate in
                if let rate { configuration.recipe.learningRate = rate }
                let parts = [sources.count > 1 ? source.name : nil, rate.map { "lr\($0)" }].compactMap { $0 }
                return RunGrid.Cell(name: parts.joined(separator: "/"), configuration: configuration) { model }
            }
        }
    }

    /// The models to retrain, with names that tell them apart.
    private func sources() throws -> [(name: String, path: String)] {
        let paths = try models.flatMap { path -> [String] in
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
                return [path]
            }
            return try RunFinder.folders(in: [path]).map(\.best)
        }
        let names = RunFinder.names(of: paths.map { ($0 as NSString).deletingPathExtension }).map {
            $0.hasSuffix("/best") ? String($0.dropLast("/best".count)) : $0
        }
        return zip(names, paths).map { ($0, $1) }
    }

    private func model(at path: String) throws -> Model {
        let opened = try DatasetKind.open(dataArguments.dataset, directory: dataArguments.data!, split: .train)
        return try networkArguments.model(at: path, implied: opened.kind.networkOptions(of: opened.dataset))
    }

    private func configuration(for model: Model, path: String) throws -> RunConfiguration {
        var configuration = try RunConfiguration(
            startingFrom: model, path: path, data: dataArguments, computing: computing
        ) { architecture in
            try Recipes.recipe(recipeArguments.recipe, over: Recipes.quantization(ofArchitecture: architecture))
        }
        configuration.trainingLimit = runArguments.limitTrain
        try recipeArguments.apply(to: &configuration)
        let quantized = try Set(model.quantizedLayers(path: path))
        guard !quantized.isEmpty else { return configuration }
        let nodes = model.graph.nodes.filter { quantized.contains($0.name) }
        var settings = TernarizationSettings()
        settings.layers = nodes.filter(model.isTernary).map(\.name)
        settings.fixedLayers = nodes.filter { !model.isTernary($0) }.map(\.name)
        settings.start = .asTheyAre
        settings.assigningEpochs = 0
        settings.levelLearningRate = levelLearningRate ?? 0
        configuration.ternarization = settings
        return configuration
    }
}
