import ArgumentParser
import Foundation
import TapestryMethods

/// The options of variants that only some networks have; `NetworkOptions` says which they mean.
package struct VariantArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Make a plain residual network (shift/*) so many times smaller.", valueName: "r"),
        transform: Positive.number)
    package var reduction: Double?

    @Option(help: "By what: all widths (net, the default) or the inner widths of blocks.")
    package var reductionMode: NetworkOptions.ReductionMode?

    @Option(
        help: ArgumentHelp(
            "Multiply the number of blocks of B0 or MicroNet (ec2t/micronet*, ec2t/efficientnet*).", valueName: "x"),
        transform: Positive.number)
    package var depthMultiplier: Double?

    @Option(
        help: ArgumentHelp(
            "Multiply the widths (ec2t/micronet*, ec2t/efficientnet*, ec2t/lenet5).", valueName: "x"),
        transform: Positive.number)
    package var widthMultiplier: Double?

    @Option(
        help: ArgumentHelp(
            "Compound scaling: the depth multiplier is alpha to the phi, the width multiplier beta to the phi.",
            valueName: "x"),
        transform: Positive.number)
    package var alpha: Double?

    @Option(help: ArgumentHelp("See --alpha.", valueName: "x"), transform: Positive.number)
    package var beta: Double?

    @Option(help: ArgumentHelp("See --alpha.", valueName: "x"), transform: Positive.number)
    package var phi: Double?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "The widths of the convolutions, where the paper leaves them open (acnet/lenet5).", valueName: "width"),
        transform: Positive.extent)
    package var widths: [Int] = []

    @Option(
        help: ArgumentHelp("The share of values dropped in training (acnet/wrn16-8: 0.3).", valueName: "p"),
        transform: { text in
            guard let value = Double(text), (0..<1).contains(value) else {
                throw ValidationError("must be a number from 0 to below 1")
            }
            return value
        })
    package var dropout: Double?

    @Flag(
        help: """
            Where the published program departs from what its paper plainly means, do what the paper means; \
            Docs/networks-and-methods.md says where that is.
            """)
    package var corrected = false

    package init() {}

    /// Throws: `CommandFailure` where a part of compound scaling is missing or said twice.
    package func options() throws -> NetworkOptions {
        var options = NetworkOptions()
        options.reduction = reduction
        options.reductionMode = reductionMode
        (options.depthMultiplier, options.widthMultiplier) = (depthMultiplier, widthMultiplier)
        if alpha != nil || beta != nil || phi != nil {
            guard let alpha, let beta, let phi else {
                throw CommandFailure(.usage, "--alpha, --beta and --phi go together; give all three")
            }
            guard depthMultiplier == nil, widthMultiplier == nil else {
                throw CommandFailure(
                    .usage,
                    "--alpha, --beta and --phi stand for --depth-multiplier and --width-multiplier; leave those out")
            }
            (options.depthMultiplier, options.widthMultiplier) = (pow(alpha, phi), pow(beta, phi))
        }
        options.widths = widths.isEmpty ? nil : widths
        options.dropout = dropout
        options.isCorrected = corrected
        return options
    }
}

extension NetworkOptions.ReductionMode: ExpressibleByArgument {}
