import ArgumentParser
import Foundation
import TapestryRecipes
import TapestryRuntime

/// How to train: a recipe and what is changed of it.
package struct RecipeArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How to train: a recipe by name, or a YAML file of settings over one; by default the network's own.",
            discussion: Recipes.listing, valueName: "name|file.yaml"),
        completion: .list(Recipes.named.map(\.name)))
    package var recipe: String?

    @Option(help: "How often all images are seen; by default the recipe's.", transform: Positive.integer)
    package var epochs: Int?

    @Option(
        help: "Images in a step, of all processes together; by default the recipe's.", transform: Positive.integer)
    package var batchSize: Int?

    @Option(
        name: .customLong("lr"), help: "The highest learning rate; by default the recipe's.", transform: Positive.number
    )
    package var learningRate: Double?

    @Option(
        help: "Of initial weights, data order and augmentation; by default the recipe's. The same gives the same run.")
    package var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "Stop once the test images are classified so well, though epochs be left.", valueName: "per cent"),
        transform: Positive.percentage)
    package var targetAccuracy: Double?

    @Flag(
        help: """
            Have batch norms take mean and variance over the images of all processes, so that the loss does not depend on \
            their number; without it each takes those of its own, as published.
            """)
    package var syncBatchNorm = false

    @Option(
        help: ArgumentHelp(
            "What computes on the CPU: Tapestry's own kernels, libtorch, or by default for each layer the faster one.",
            valueName: "auto|native|torch"))
    package var engine: TrainingEngine?

    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Override a setting of the recipe, or initial-weights; may be given several times.", valueName: "key=value")
    )
    package var settings: [Setting] = []

    package init() {}
}

/// Where a run goes, and how it is gone about.
package struct RunArguments: ParsableArguments {
    @Option(help: "Train on the first so many images only.", transform: Positive.imageCount)
    package var limitTrain: Int?

    @Option(help: ArgumentHelp("The run's folder; by default one in runs/.", valueName: "run"), completion: .directory)
    package var out: String?

    @Option(
        help: "Threads that load images beside those that compute; the result does not depend on it.",
        transform: Positive.extent)
    package var loadingThreads = 1

    @Option(
        help: ArgumentHelp(
            "How long one of several processes waits for the others before it takes them for lost.",
            valueName: "seconds"),
        transform: Positive.integer)
    package var timeout = 300

    @Flag(
        help: """
            Go on with the unfinished run in --out; where there is none, begin it, so that the same command can be \
            started again and again.
            """)
    package var resume = false

    @Flag(help: "Print one JSON document: the run's result.")
    package var json = false

    package init() {}

    package mutating func validate() throws {
        if resume, out == nil {
            throw ValidationError("--resume needs --out, the folder of the run to go on with")
        }
    }

    package var folder: String { out ?? Self.defaultFolder }

    /// A folder in runs/ that says when.
    private static let defaultFolder: String = {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.dateFormat = "yyyyMMdd-HHmmss"
        return "runs/\(format.string(from: Date()))"
    }()
}
