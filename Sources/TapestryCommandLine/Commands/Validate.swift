import ArgumentParser
import TapestryCore
import TapestryFormats
import TapestryMethods

struct Validate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Compare two models, or two engines, on test images.",
        usage: "tapestry validate MODEL_A [MODEL_B] --data DIR [--engine E[,E]] …",
        discussion: """
            Prints the accuracies of both, the share of images of which they say the same class, and the largest \
            difference of their logits. For a network and what `tapestry convert` made of it, any two models for the \
            same classes, or one model that two engines run. A bare checkpoint needs --arch, and --method where it was \
            trained with one; they hold for whichever of the two is bare.

            \(EngineName.discussion)

            Examples:
              tapestry validate runs/a/best.safetensors a.safetensors --data ~/cifar
              tapestry validate m.safetensors --engine native,native:bf16 --data ~/cifar
              tapestry validate m.safetensors --engine native,torch --data ~/cifar
              tapestry validate a.pt a.safetensors --arch ec2t/resnet20 --data ~/cifar
            """)

    @Argument(help: "A model file; or, with --arch, a bare checkpoint.", completion: .file())
    var modelA: String

    @Argument(help: "Another one; by default the same, where there are two engines.", completion: .file())
    var modelB: String?

    @OptionGroup(title: "Network of a bare checkpoint") var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") var dataArguments: DataArguments

    @Option(
        help: ArgumentHelp(
            "What runs the networks: one engine for both, or one for each; by default native, and torch on a GPU.",
            valueName: "engine[,engine]"),
        completion: EngineName.completion, transform: EngineName.list)
    var engine: [EngineName] = []

    @OptionGroup(title: "Computing") var computing: ComputingArguments
    @OptionGroup var normalizationArguments: NormalizationArguments

    @Option(help: "Images at a time.", transform: Positive.integer)
    var batchSize = 256

    @Flag(help: "Print one JSON document.")
    var json = false

    func validate() throws {
        guard engine.count <= 2 else { throw ValidationError("--engine names one engine or two, not \(engine.count)") }
    }

    func run() throws {
        let engines = try computing.engines(engine, for: "validate")
        guard modelB != nil || engines[0] != engines[engines.count - 1] else {
            throw CommandFailure(
                .usage,
                "\(modelA) is to be compared with itself: name another model, or two engines, as --engine native,torch")
        }
        let images = try dataArguments.testImages()
        let budget = computing.threads.budget
        Console.note(budget.line())
        let a = try model(at: modelA, for: images)
        let b = try modelB.map { try model(at: $0, for: images) } ?? a
        guard a.graph.inputShape == b.graph.inputShape, try a.graph.classCount() == b.graph.classCount() else {
            throw CommandFailure(
                .usage, "\(modelA) and \(modelB ?? modelA) take other images or tell other numbers of classes apart")
        }
        // A network converted to another form may no longer say how its images are prepared; the first one then does.
        let test = try ModelTest(
            images, preparedFor: a, path: modelA, asked: normalizationArguments.normalize, batchSize: batchSize,
            threads: budget.count)
        var comparison = LogitsComparison(classes: try a.graph.classCount())
        let results = try test.results(
            of: [
                ModelTest.Subject(path: modelA, model: a, engine: engines[0]),
                ModelTest.Subject(path: modelB ?? modelA, model: b, engine: engines[engines.count - 1]),
            ], title: "validating"
        ) { comparison.add($0[0], $0[1]) }
        try report(results, comparison)
    }

    /// --arch is for weights alone: a model file has its own network.
    private func model(at path: String, for images: TestImages) throws -> Model {
        if networkArguments.arch != nil, try ModelFile.isModel(Checkpoint.read(path)) {
            return try NetworkArguments.selfDescribingModel(at: path)
        }
        return try networkArguments.model(at: path, implied: images.networkOptions)
    }

    private func report(_ results: [TestResult], _ comparison: LogitsComparison) throws {
        if json {
            return try Console.printJSON(
                Document(
                    models: results, images: comparison.images, agreement: comparison.agreement,
                    largestDifference: comparison.largestDifference, largestLogit: comparison.largestLogit))
        }
        try Console.print(
            TestResult.table(results).text + "\nOf \(comparison.images.grouped) images both say the same class of "
                + "\(comparison.agreement.percent); logits differ by at most "
                + "\(comparison.largestDifference.significant(3)), the largest being "
                + "\(comparison.largestLogit.significant(3))")
    }

    private struct Document: Encodable {
        let models: [TestResult]
        let images: Int
        let agreement: Double
        let largestDifference: Double
        let largestLogit: Double

        enum CodingKeys: String, CodingKey {
            case models, images, agreement
            case largestDifference = "largest_difference"
            case largestLogit = "largest_logit"
        }
    }
}

/// How far apart are the logits that two networks give the same images.
private struct LogitsComparison {
    let classes: Int
    private(set) var images = 0
    /// Of all logits.
    private(set) var largestDifference = 0.0
    /// The largest magnitude of a logit of the first network.
    private(set) var largestLogit = 0.0
    private var agreeing = 0

    init(classes: Int) { self.classes = classes }

    /// The share of images, in per cent, of which both say the same class.
    var agreement: Double { 100 * Double(agreeing) / Double(max(images, 1)) }

    /// Takes the logits of the same images.
    mutating func add(_ first: [Double], _ second: [Double]) {
        for start in stride(from: 0, to: first.count, by: classes) {
            let (a, b) = (first[start..<start + classes], second[start..<start + classes])
            if a.indexOfLargest == b.indexOfLargest { agreeing += 1 }
            largestDifference = zip(a, b).reduce(largestDifference) { max($0, abs($1.0 - $1.1)) }
            largestLogit = a.reduce(largestLogit) { max($0, abs($1)) }
            images += 1
        }
    }
}

extension ArraySlice<Double> {
    /// Of equal elements the first.
    fileprivate var indexOfLargest: Int? { self.max().flatMap(firstIndex) }
}
