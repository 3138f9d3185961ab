import ArgumentParser
import TapestryData

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

    @Option(
        help: ArgumentHelp(
            "How pixels are normalised: by a system's recipe, or none; by default as the model was trained.",
            valueName: Normalization.presetNames.joined(separator: "|")),
        completion: .list(Normalization.presetNames), transform: Self.preset)
    var normalize: String?

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
    private static func preset(_ name: String) throws -> String {
        guard Normalization.presetNames.contains(name) else {
            throw ValidationError("expected one of \(Normalization.presetNames.joined(separator: ", "))")
        }
        return name
    }
}
