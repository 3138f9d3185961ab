import ArgumentParser
import TapestryMethods

struct CountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "count",
        abstract: "Count what a network stores and computes, layer by layer.",
        usage: "tapestry count --arch A [--method M] | MODEL  [--against A] [--json]",
        discussion: """
            Parameters are the stored trainable ones; multiply-adds are those of convolutions and linear layers for one \
            image, zero padding counted as the field does. Published tables that count otherwise are matched beside.

            Examples:
              tapestry count --arch ask/vgg16 --method ask:ASK_5a
              tapestry count --arch ask/vgg16 --method ask:ASK_4b --against ask/vgg16
              tapestry count --arch ask/vgg16 --method 'ask:[[2,5,8],[4,5,6]]'
              tapestry count --arch ask/resnet20 --method-config shapes.yaml
              tapestry count runs/a/best.safetensors --json | jq .macs
            """)

    @Argument(help: "A Tapestry model file, instead of --arch.", completion: .file(extensions: ["safetensors"]))
    var model: String?

    @OptionGroup(title: "Network") var networkArguments: NetworkArguments

    @Option(
        help: ArgumentHelp(
            "Compare with this network (dense, for the same classes and images) or model file.", valueName: "arch|file")
    )
    var against: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        guard (model == nil) != (networkArguments.arch == nil) else {
            throw CommandFailure(
                .usage, "name one network: --arch, as ask/resnet20 (`tapestry archs`), or a model file")
        }
        let network = try model.map { try networkArguments.network(ofModelFile: $0) } ?? networkArguments.network()
        let report = CountReport(
            of: try CountSummary(network), against: try against.map { try CountSummary(other(named: $0)) })
        try json ? Console.printJSON(report) : Console.print(report.text)
    }

    /// The network that `--against` names, for the same classes and images unless it is a file.
    private func other(named name: String) throws -> Network {
        var arguments = networkArguments
        (arguments.arch, arguments.method, arguments.methodConfig) = (name, nil, nil)
        (arguments.classes, arguments.imageSize, arguments.channels) = (nil, nil, nil)
        arguments.variant = try VariantArguments.parse([])
        return try arguments.network(
            implied: NetworkOptions(
                classes: networkArguments.classes, imageSize: networkArguments.imageSize,
                channels: networkArguments.channels))
    }
}
