import ArgumentParser
import TapestryCore
import TapestryRewrites

struct ScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Score a model as the MicroNet challenge does: by what it stores and computes.",
        usage: """
            tapestry score MODEL [--arch A …] [--bits 16|32] [--convention exact] …
            tapestry score MODEL --convention published [--ternary --tree --cer] …
            """,
        discussion: """
            A parameter is 32 bits, an operation one of 32 bits. The score is their numbers as shares of the task's \
            reference: 36.5 M and 10.49 G for CIFAR, 6.9 M and 1170 M for ImageNet.

            "exact" takes any network as it is, sees which of its layers are ternary, and stores each in its \
            smallest format. "published" repeats the program of EC2T to the digit, for the networks that it knows. Its \
            published figures have all three switches on for MicroNet and ResNet-18, --ternary for EfficientNets, and \
            none for ResNet-20. Docs/scoring.md has the details; the output names the differences.

            Examples:
              tapestry score runs/a/best.safetensors
              tapestry score spars64.pt --arch ec2t/resnet20 --layers
              tapestry score spars64.pt --arch ec2t/resnet20 --convention published \\
                --ternary --tree --cer
              tapestry score runs/a/best.safetensors --bits 32 --json | jq .score
            """)

    enum Convention: String, CaseIterable, ExpressibleByArgument, Sendable {
        case exact
        case published
    }

    @Argument(help: "A model file; or, with --arch, a bare checkpoint.", completion: .file())
    var model: String

    @OptionGroup(title: "Network of a bare checkpoint") var networkArguments: NetworkArguments

    @Option(help: "Bits of a weight that is not stored as a mask, and of a value.")
    var bits: ScoringPrecision = .half

    @Option(help: "How to count.")
    var convention: Convention = .exact

    @Option(
        help: """
            What 1 is worth; by default imagenet for images larger than 64x64 and for 1000 classes or more, else cifar.
            """)
    var task: ScoringTask?

    @Flag(help: "As published: take the layers in blocks to be ternary.")
    var ternary = false

    @Flag(help: "As published: add by a tree whose adders grow by a bit a level.")
    var tree = false

    @Flag(help: "As published, with --ternary: masks with signs, CSR and CER too.")
    var cer = false

    @Option(help: "As published: bits of a multiplication, 16 by default.", transform: Positive.bits)
    var mulBits: Int?

    @Option(help: "As published: bits of an addition, 32 by default.", transform: Positive.bits)
    var addBits: Int?

    @Option(
        help: ArgumentHelp(
            "First make weights of depthwise convolutions zero that are below this share of their layer's largest.",
            valueName: "share"),
        transform: Positive.number)
    var pruneThreshold: Double?

    @Flag(help: "List the layers, and what each storage format makes of them.")
    var layers = false

    @Flag(help: "Print one JSON document.")
    var json = false

    private var switches: ScoringSwitches {
        var switches: ScoringSwitches = []
        if ternary { switches.insert(.ternary) }
        if tree { switches.insert(.tree) }
        if cer { switches.insert(.cer) }
        return switches
    }

    mutating func validate() throws {
        if convention == .exact, !switches.isEmpty {
            throw ValidationError(
                "--ternary, --tree and --cer are settings of --convention published; exact sees for itself")
        }
        if convention == .exact, mulBits != nil || addBits != nil {
            throw ValidationError(
                "--mul-bits and --add-bits are settings of --convention published; exact has those of --bits")
        }
    }

    func run() throws {
        var model = try networkArguments.model(at: self.model)
        if let pruneThreshold { model = model.pruningDepthwise(below: pruneThreshold) }
        let report = ScoreReport(
            convention: convention.rawValue, bits: bits.rawValue,
            task: task ?? ScoringTask(usualFor: model.graph), score: try score(model),
            storage: StorageComparison(model, precision: bits))
        try json ? Console.printJSON(report) : Console.print(report.text(withLayers: layers))
    }

    private func score(_ model: Model) throws -> Score {
        guard convention == .published else { return try ExactScoring(precision: bits).score(model) }
        guard let architecture = model.facts["architecture"] else {
            throw CommandFailure(
                .usage,
                "\(self.model): does not say which network it is, and the published convention goes by that; "
                    + "--convention exact takes any")
        }
        do {
            return try PublishedScoring(
                precision: bits, switches: switches, multiplicationBits: mulBits ?? 16, additionBits: addBits ?? 32
            ).score(model, architecture: architecture)
        } catch {
            throw CommandFailure(.usage, "\(self.model): \(error); --convention exact takes any network")
        }
    }

}

extension ScoringTask: ExpressibleByArgument {
    /// ImageNet's for images larger than 64x64 and for 1000 classes or more, else CIFAR's.
    init(usualFor graph: Graph) {
        let side = max(graph.inputShape[1], graph.inputShape[2])
        // A network whose output is no vector has no classes to count.
        let classes = (try? graph.classCount()) ?? 0
        self = side > 64 || classes >= 1000 ? .imagenet : .cifar
    }
}
extension ScoringPrecision: ExpressibleByArgument {}
