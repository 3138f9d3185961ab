import ArgumentParser
import TapestryMethods

package struct Quantize: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "quantize",
        abstract: "Make layers sparse and ternary, or sparse alone, while training on (EC2T).",
        usage: """
            tapestry quantize MODEL --data DIR --out RUN [--arch A] [--epochs N] …
            tapestry quantize MODEL --data DIR --out RUN --prune se fc …
            """,
        discussion: """
            Every weight of the chosen layers becomes one of -w_n, 0 and w_p, the cheapest by its distance and by the \
            bits that the value costs; the three values and the weights behind them are trained on. For every pair of \
            --ini-c-divrs (where the values start: a share of the extreme weights) and --lambda-max-divrs (how much bits \
            count) there is a run, in a folder of its own within RUN if there are several. A run trains --epochs with the \
            assignment moving and then --retrain-epochs with the best one fixed.

            With --prune the weights that are not zero keep their own values: fc (linear layers), se \
            (squeeze-excitations), depthwise, or a pattern of names; several are pruned one after the other, each \
            leaving what was quantised before untouched.

            Without MODEL the network that --arch names starts from initial weights.

            Examples:
              tapestry quantize resnet20.pt --arch ec2t/resnet20 --data ~/cifar --out q
              tapestry quantize a.safetensors --data ~/cifar --out q \\
                --ini-c-divrs 0.3 --lambda-max-divrs 0.15 --epochs 5 --retrain-epochs 3
              tapestry quantize q/best.safetensors --data ~/cifar --out p --prune fc
              tapestry report q -o q.html
            """)

    @Argument(help: "A model file; or, with --arch, a bare checkpoint.", completion: .file())
    package var model: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Where w_n and w_p start: shares of the extreme weights.", valueName: "c"),
        transform: Positive.number)
    package var iniCDivrs: [Double] = [0.15, 0.3, 0.5]

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("How much bits count: shares of the largest lambda.", valueName: "l"),
        transform: Positive.number)
    package var lambdaMaxDivrs: [Double] = [0.125, 0.15, 0.175]

    @Option(
        help: ArgumentHelp(
            "Start from the extreme weights (threshold), or from k-means of N centroids, 3 by default.",
            valueName: "threshold|kmeans[:N]"))
    package var centroids = CentroidStart.threshold

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "The layers to quantise, by patterns of names; by default those of the network's paper.",
            valueName: "pattern"))
    package var layers: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Prune these layers in place of ternarizing: fc, se, depthwise, or a pattern of names.", valueName: "layers"
        ))
    package var prune: [String] = []

    @Option(
        help: "Epochs more with the best assignment fixed; 15 by default, none with --prune.", transform: Whole.number)
    package var retrainEpochs: Int?

    @Option(
        name: .customLong("lr2"), help: "The learning rate of w_n and w_p.", transform: Positive.number)
    package var levelLearningRate = 1e-5

    @Flag(
        help: """
            Give quantised layers that no batch norm follows a factor for each output channel, as a network needs whose \
            batch norms have been folded.
            """)
    package var channelScales = false

    @Flag(help: "Quantise as the published program does (the default); --corrected does what its paper means.")
    package var published = false

    @OptionGroup(title: "Network of a bare checkpoint") package var networkArguments: NetworkArguments
    @OptionGroup(title: "Data") package var dataArguments: DataArguments
    @OptionGroup(title: "Computing") package var computing: ComputingArguments
    @OptionGroup(title: "Recipe") package var recipeArguments: RecipeArguments
    @OptionGroup(title: "Run") package var runArguments: RunArguments

    /// Where levels start.
    package enum CentroidStart: ExpressibleByArgument {
        case threshold
        case kMeans(Int)

        package init?(argument: String) {
            switch argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init) {
            case ["threshold"]: self = .threshold
            case ["kmeans"]: self = .kMeans(3)
            case let parts where parts.count == 2 && parts[0] == "kmeans":
                guard let count = Int(parts[1]), (3...256).contains(count) else { return nil }
                self = .kMeans(count)
            default: return nil
            }
        }

        package var defaultValueDescription: String { "threshold" }
    }

    package init() {}

    package mutating func validate() throws {
        if published, networkArguments.variant.corrected {
            throw ValidationError("--published and --corrected are two ways of quantising; give one of them")
        }
        if !prune.isEmpty, !layers.isEmpty {
            throw ValidationError("--prune names the layers itself; leave out --layers")
        }
        if case .kMeans(let count) = centroids, count != 3, networkArguments.variant.corrected {
            throw ValidationError("a layer has three values: --centroids kmeans:\(count) is for --published only")
        }
        if channelScales, !prune.isEmpty {
            throw ValidationError("pruned weights keep their own values and need no --channel-scales")
        }
        if channelScales, model == nil {
            throw ValidationError("--channel-scales changes a trained network; name a model file")
        }
        if model == nil, networkArguments.arch == nil {
            throw ValidationError("name a model file, or a network by --arch to start from initial weights")
        }
    }

    package func run() throws {
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
        try Libtorch.commands(for: "quantize").quantize(self)
    }
}

extension PrunedLayers {
    /// As `--prune` has it.
    package init(option: String) {
        switch option {
        case "fc": self = .fullyConnected
        case "se": self = .squeezeExcitation
        case "depthwise", "dw": self = .depthwise
        default: self = .named(option)
        }
    }
}
