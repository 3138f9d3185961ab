import TapestryCommandLine
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes

extension Scale {
    func scale() throws { try Processes.with(runArguments, computing, scale) }

    private func scale(with processes: Processes) throws {
        let runs = RunGrid(
            folder: runArguments.folder, cells: try grid.map(cell), arguments: runArguments,
            budget: computing.threads.budget, processes: processes)
        let results = try runs.run { $0.hasReachedTarget }
        guard processes.isFirst else { return }
        try GridTable(try results.map { try GridRow($0) }, what: "alpha,beta").print(json: runArguments.json)
    }

    private func cell(_ pair: ScalingPair) throws -> RunGrid.Cell {
        let architecture = try Zoo.architecture(named: arch)
        guard architecture.options.contains(.widthMultiplier) else {
            throw CommandFailure(
                .usage, "--arch \(arch) is not scaled; ec2t/micronet*, ec2t/efficientnet* and ec2t/lenet5 are")
        }
        let recipe = try Recipes.recipe(recipeArguments.recipe, forArchitecture: arch)
        let directory = dataArguments.data!
        let opened = try DatasetKind.open(dataArguments.dataset, directory: directory, split: .train)
        let implied = opened.kind.networkOptions(of: opened.dataset)
        var options = try pair.options(phi: phi, for: architecture)
        let variant = options
        options.classes = classes ?? implied.classes
        options.imageSize = imageSize ?? implied.imageSize
        options.channels = implied.channels
        let graph: Graph
        do { graph = try architecture.graph(options) } catch {
            throw CommandFailure(.usage, "--grid \(pair.alpha),\(pair.beta): \(error)")
        }
        let network = Network(title: arch, graph: graph, conventions: [], model: nil, isFromFile: false)
        let classifier = try ImageClassifier(network, for: opened.dataset)
        var configuration = RunConfiguration(
            architecture: arch, classes: classifier.classes, imageSize: classifier.imageSize,
            channels: classifier.channels, data: DataArguments.absolute(directory), dataset: opened.kind,
            recipe: recipe.recipe)
        configuration.variant = variant
        configuration.seed = recipe.seed
        configuration.threads = computing.threads.budget.count
        configuration.trainingLimit = runArguments.limitTrain
        configuration.testLimit = dataArguments.limitTest
        configuration.unreadableLimit = dataArguments.limitUnreadable
        computing.apply(to: &configuration)
        try recipeArguments.apply(to: &configuration)
        return RunGrid.Cell(name: "a\(pair.alpha)-b\(pair.beta)", configuration: configuration)
    }
}
