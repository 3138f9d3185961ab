import ArgumentParser

struct Validate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare two models on test images: accuracies, agreement, largest difference of their logits.",
        usage: "tapestry validate MODEL_A MODEL_B --data DIR [--arch A] [--json] …",
        discussion: """
            For a network and what `tapestry convert` made of it, or any two models for the same classes. A bare \
            checkpoint needs --arch, and --method where it was trained with one; they hold for whichever of the two \
            is bare.

            Examples:
              tapestry validate runs/a/best.safetensors a.safetensors --data ~/cifar
              tapestry validate a.pt a.safetensors --arch ec2t/resnet20 --data ~/cifar
            """)

    @Argument(help: "A model file; or, with --arch, a bare checkpoint.", completion: .file())
    var modelA: String

    @Argument(help: "Another one.", completion: .file())
    var modelB: String

    @OptionGroup(title: "Network of a bare checkpoint") var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") var dataArguments: DataArguments
    @OptionGroup(title: "Computing") var computing: ComputingArguments
    @OptionGroup var normalizationArguments: NormalizationArguments

    @Option(help: "Images at a time.", transform: Positive.integer)
    var batchSize = 256

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() async throws {
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
        #if TAPESTRY_TORCH
        try await validateModels()
        #else
        throw CommandFailure.needsLibtorch("validate")
        #endif
    }
}
