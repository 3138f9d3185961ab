import ArgumentParser
import TapestryData

package struct Train: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a network on real images.",
        usage: "tapestry train --arch A [--method M] --data DIR [--out RUN] …",
        discussion: """
            A run's folder holds config.yaml, metrics.jsonl (a line per epoch), last.safetensors, best.safetensors, and \
            state.safetensors, from which --resume goes on. \
            SIGINT and SIGTERM finish the step, save and leave with 75; --resume then goes on to the same final weights.

            Started several times by torchrun, srun or RANK, WORLD_SIZE and MASTER_ADDR in the environment, the processes \
            train one network together. One that loses another ends with 75 within --timeout seconds.

            Examples:
              tapestry train --arch ask/resnet20 --data ~/cifar --epochs 3
              tapestry train --arch ask/vgg16 --method ask:ASK_4a --data ~/cifar --out r
              tapestry train --arch ask/vgg16 --method-config shapes.yaml --data ~/cifar
              tapestry train --arch ask/vgg16 --data ~/cifar --set weight-decay=5e-4
              tapestry train --arch ask/vgg16 --recipe hetconv --data ~/cifar
              tapestry train --arch ask/vgg16 --method ask:ASK_2 --data ~/cifar --explain
              tapestry train --resume --out r
              torchrun --no-python --nproc-per-node 2 tapestry train --arch ask/vgg16 --data ~/cifar
            """)

    @OptionGroup(title: "Network") package var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") package var dataArguments: DataArguments
    @OptionGroup(title: "Computing") package var computing: ComputingArguments

    @Flag(
        help: """
            Train nothing; measure each convolution of the network on one batch, by Tapestry's kernels and by libtorch, \
            and print which of them would train it.
            """)
    package var explain = false

    @OptionGroup(title: "Recipe") package var recipeArguments: RecipeArguments
    @OptionGroup(title: "Run") package var runArguments: RunArguments

    package init() {}

    package func run() throws {
        try check()
        let libtorch = try Libtorch.commands(for: "train")
        try explain ? libtorch.explain(self) : libtorch.train(self)
    }

    /// A resumed run knows its network and its data; a new one must be told them.
    private func check() throws {
        if runArguments.resume { return }
        guard networkArguments.arch != nil else { throw CommandFailure.missingArchitecture }
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
    }
}
