import ArgumentParser

struct Evaluate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure top-1 and top-5 accuracy and loss of models on test images.",
        usage: "tapestry evaluate MODEL... --data DIR [--arch A] [--method M] [--json] …",
        discussion: """
            One model gives its figures; several give a table, or a JSON array. A bare checkpoint, which does not know \
            its network, needs --arch, and --method where it was trained with one.

            Examples:
              tapestry evaluate runs/a/best.safetensors --data ~/cifar
              tapestry evaluate runs/*/best.safetensors --data ~/cifar --json
              tapestry evaluate weights.safetensors --arch ask/vgg16 --data ~/cifar
            """)

    @Argument(help: "Model files.", completion: .file())
    var models: [String]

    @OptionGroup(title: "Network of a bare checkpoint") var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") var dataArguments: DataArguments
    @OptionGroup(title: "Computing") var computing: ComputingArguments

    @OptionGroup var normalizationArguments: NormalizationArguments

    @Option(help: "What runs the network.")
    var engine: Engine = .torch

    @Option(help: "Images at a time.", transform: Positive.integer)
    var batchSize = 256

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() async throws {
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
        #if TAPESTRY_TORCH
        try await evaluate()
        #else
        throw CommandFailure.needsLibtorch("evaluate")
        #endif
    }
}
