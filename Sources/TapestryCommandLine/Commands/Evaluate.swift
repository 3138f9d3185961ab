import ArgumentParser

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Measure top-1 and top-5 accuracy and loss of models on test images.",
        usage: "tapestry evaluate MODEL... --data DIR [--arch A] [--method M] [--json] …",
        discussion: """
            \(EngineName.discussion)

            One model gives its figures; several give a table, or a JSON array. A bare checkpoint, which does not know \
            its network, needs --arch, and --method where it was trained with one.

            Examples:
              tapestry evaluate runs/a/best.safetensors --data ~/cifar
              tapestry evaluate runs/*/best.safetensors --data ~/cifar --json
              tapestry evaluate runs/a/best.safetensors --data ~/cifar --precision bf16
              tapestry evaluate weights.safetensors --arch ask/vgg16 --data ~/cifar
            """)

    @Argument(help: "Model files.", completion: .file())
    var models: [String]

    @OptionGroup(title: "Network of a bare checkpoint") var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") var dataArguments: DataArguments
    @OptionGroup(title: "Computing") var engineArguments: EngineArguments
    @OptionGroup var normalizationArguments: NormalizationArguments

    @Option(help: "Images at a time.", transform: Positive.integer)
    var batchSize = 256

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        let engine = try engineArguments.engine(for: "evaluate")
        let images = try dataArguments.testImages()
        let budget = engineArguments.computing.threads.budget
        Console.note(budget.line())
        let results = try models.flatMap { path in
            let model = try networkArguments.model(at: path, implied: images.networkOptions)
            return try ModelTest(
                images, preparedFor: model, path: path, asked: normalizationArguments.normalize, batchSize: batchSize,
                threads: budget.count
            ).results(of: [ModelTest.Subject(path: path, model: model, engine: engine)], title: path)
        }
        if json {
            if results.count == 1 { try Console.printJSON(results[0]) } else { try Console.printJSON(results) }
        } else {
            try Console.print(TestResult.table(results).text)
        }
    }
}
