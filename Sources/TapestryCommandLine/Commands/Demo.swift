import ArgumentParser

package struct Demo: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Train a small network dense and with any-shape kernels on real images, and compare.",
        usage: "tapestry demo [--data DIR] [--out DIR] [--threads N] [--json]",
        discussion: """
            Trains ask/resnet20 on Fashion-MNIST (Debian's package dataset-fashion-mnist), dense and with ASK_5a, \
            evaluates both, and prints one table. Minutes on two cores; a second run reuses the first one's results.

            Examples:
              tapestry demo
              tapestry demo --threads 4 --json
            """)

    @OptionGroup(title: "Computing") package var computing: ComputingArguments

    @Option(
        help: ArgumentHelp("The folder of Fashion-MNIST; by default where Debian's package has it.", valueName: "dir"),
        completion: .directory)
    package var data: String?

    @Option(help: ArgumentHelp("The folder of the demo's runs.", valueName: "dir"), completion: .directory)
    package var out = "runs/demo"

    @Flag(help: "Print one JSON document.")
    package var json = false

    package init() {}

    package func run() throws {
        try Libtorch.commands(for: "demo").demonstrate(self)
    }
}
