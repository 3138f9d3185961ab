import ArgumentParser

package struct Retrain: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "retrain",
        abstract: "Train on what is not quantised, the quantised weights staying where they are.",
        usage: "tapestry retrain MODEL|RUN... --data DIR --out RUN [--lrs X...] …",
        discussion: """
            The assignment of ternary weights stays, and so do their values unless --lr2 gives these a learning rate; \
            pruned weights stay as they are. Biases, batch norms and layers that are not quantised are trained: Adam 1e-4, \
            20 epochs, as EC2T's third program. A model of which nothing is quantised is simply trained on.

            Every MODEL, or the best model of every run in RUN, with every rate of --lrs has a run of its own, in a folder \
            of its own within --out if there are several.

            Examples:
              tapestry retrain q/best.safetensors --data ~/cifar --out r
              tapestry retrain q --data ~/cifar --out r --epochs 5 --set schedule=cosine
              tapestry retrain spars64.pt --arch ec2t/resnet20 --data ~/cifar --out r \\
                --lrs 1e-4 3e-4 --target-accuracy 91
            """)

    @Argument(
        help: "Model files, folders of runs; or, with --arch, bare checkpoints.", completion: .file())
    package var models: [String]

    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Learning rates to try, in place of --lr.", valueName: "x"),
        transform: Positive.number)
    package var lrs: [Double] = []

    @Option(
        name: .customLong("lr2"),
        help: "The learning rate of the values of ternary weights; without it these stand still.",
        transform: Positive.number)
    package var levelLearningRate: Double?

    @OptionGroup(title: "Network of a bare checkpoint") package var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") package var dataArguments: DataArguments
    @OptionGroup(title: "Computing") package var computing: ComputingArguments
    @OptionGroup(title: "Recipe") package var recipeArguments: RecipeArguments
    @OptionGroup(title: "Run") package var runArguments: RunArguments

    package init() {}

    package mutating func validate() throws {
        if !lrs.isEmpty, recipeArguments.learningRate != nil {
            throw ValidationError("--lr and --lrs both say the learning rate; give one of them")
        }
    }

    package func run() throws {
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
        try Libtorch.commands(for: "retrain").retrain(self)
    }
}
