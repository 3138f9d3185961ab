import ArgumentParser
import TapestryData

struct Train: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train a network on real images.",
        usage: "tapestry train --arch A [--method M] --data DIR [--out RUN] …",
        discussion: """
            A run's folder holds config.yaml, metrics.jsonl (a line per epoch), last.safetensors, best.safetensors, and \
            state.safetensors, from which --resume goes on. \
            SIGINT and SIGTERM finish the step, save and leave with 75; --resume then goes on to the same final weights.

            Examples:
              tapestry train --arch ask/resnet20 --data ~/cifar --epochs 3
              tapestry train --arch ask/vgg16 --method ask:ASK_4a --data ~/cifar --out r
              tapestry train --arch ask/vgg16 --method-config shapes.yaml --data ~/cifar
              tapestry train --arch ask/vgg16 --data ~/cifar --set weight-decay=5e-4
              tapestry train --arch ask/vgg16 --recipe hetconv --data ~/cifar
              tapestry train --resume --out r
            """)

    @OptionGroup(title: "Network") var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") var dataArguments: DataArguments
    @OptionGroup(title: "Computing") var computing: ComputingArguments

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
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp(
            "Override a setting of the recipe, or initial-weights; may be given several times.", valueName: "key=value")
    )
    var settings: [Setting] = []

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

    func run() async throws {
        try check()
        #if TAPESTRY_TORCH
        try await train()
        #else
        throw CommandFailure.needsLibtorch("train")
        #endif
    }

    /// A resumed run knows its network and its data; a new one must be told them.
    private func check() throws {
        guard !resume else {
            guard out == nil else { return }
            throw CommandFailure(.usage, "--resume needs --out, the folder of the run to go on with")
        }
        guard networkArguments.arch != nil else { throw CommandFailure.missingArchitecture }
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
    }
}
