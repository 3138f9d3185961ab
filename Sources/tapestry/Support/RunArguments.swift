import ArgumentParser
import Foundation

/// How to train: a recipe and what is changed of it.
struct RecipeArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How to train: a recipe by name, or a YAML file of settings over one; by default the network's own.",
            discussion: RecipeNames.discussion, valueName: "name|file.yaml"),
        completion: .list(RecipeNames.all))
    var recipe: String?

    @Option(help: "How often all images are seen; by default the recipe's.", transform: Positive.integer)
    var epochs: Int?

    @Option(help: "Images in a step; by default the recipe's.", transform: Positive.integer)
    var batchSize: Int?

    @Option(
        name: .customLong("lr"), help: "The highest learning rate; by default the recipe's.", transform: Positive.number
    )
    var learningRate: Double?

    @Option(
        help: "Of initial weights, data order and augmentation; by default the recipe's. The same gives the same run.")
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "Stop once the test images are classified so well, though epochs be left.", valueName: "per cent"),
        transform: Positive.percentage)
    var targetAccuracy: Double?

    @Option(
        help: ArgumentHelp(
            "What computes on the CPU: Tapestry's own kernels, libtorch, or by default for each layer the faster one.",
            valueName: "auto|native|torch"))
    var engine: TrainingEngineName?

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Override a setting of the recipe, or initial-weights; may be given several times.", valueName: "key=value")
    )
    var settings: [Setting] = []
}

/// Where a run goes, and how it is gone about.
struct RunArguments: ParsableArguments {
    @Option(help: "Train on the first so many images only.", transform: Positive.imageCount)
    var limitTrain: Int?

    @Option(help: ArgumentHelp("The run's folder; by default one in runs/.", valueName: "run"), completion: .directory)
    var out: String?

    @Option(
        help: "Threads that load images beside those that compute; the result does not depend on it.",
        transform: Positive.extent)
    var loadingThreads = 1

    @Flag(help: "Go on with the unfinished run in --out.")
    var resume = false

    @Flag(help: "Print one JSON document: the run's result.")
    var json = false

    mutating func validate() throws {
        if resume, out == nil {
            throw ValidationError("--resume needs --out, the folder of the run to go on with")
        }
    }

    var folder: String { out ?? Self.defaultFolder }

    /// A folder in runs/ that says when.
    private static let defaultFolder: String = {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "yyyyMMdd-HHmmss"
        return "runs/\(format.string(from: Date()))"
    }()
}
