import ArgumentParser
import Foundation
import TapestryMethods

package struct Scale: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Train a grid of compound-scaled networks: deeper and wider until accurate enough.",
        usage: "tapestry scale --grid a0,b0 a1,b1 ... --phi X --data DIR --out RUN …",
        discussion: """
            A pair a,b makes the network a^phi times as deep and b^phi times as wide. Each pair is trained in turn, in a \
            folder of its own within RUN, by EC2T's recipe: Nesterov 0.1, a cosine to 0. With --target-accuracy a run \
            ends when its network is so accurate, and the pairs after it are left out: give the smallest first.

            Networks without blocks (ec2t/lenet5) are scaled in width alone: their a is 1.

            Examples:
              tapestry scale --grid 1.1,1.1 1.4,1.2 --phi 3.5 --data ~/cifar100 --out s
              tapestry scale --arch ec2t/lenet5 --grid 1,1 1,1.2 --phi 1 --data ~/mnist --out s
              tapestry scale --grid 1.2,1.1 1.4,1.2 --phi 3.5 --data ~/cifar --out s \\
                --target-accuracy 95 --resume
            """)

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("The pairs to train, in this order.", valueName: "alpha,beta"))
    package var grid: [ScalingPair]

    @Option(help: "The exponent of both.", transform: Positive.number)
    package var phi: Double

    @Option(
        help: ArgumentHelp("The network to scale.", valueName: "family/name"),
        completion: .list(Zoo.listed.map(\.name)))
    package var arch = "ec2t/micronet"

    @Option(help: "How many classes; by default those of the data set.", transform: Positive.extent)
    package var classes: Int?

    @Option(help: "Height and width of the images; by default those of the data set.", transform: Positive.extent)
    package var imageSize: Int?

    @OptionGroup(title: "Data") package var dataArguments: DataArguments
    @OptionGroup(title: "Computing") package var computing: ComputingArguments
    @OptionGroup(title: "Recipe") package var recipeArguments: RecipeArguments
    @OptionGroup(title: "Run") package var runArguments: RunArguments

    package init() {}

    package mutating func validate() throws {
        if grid.isEmpty { throw ValidationError("--grid is empty; give pairs, as --grid 1.2,1.1 1.4,1.2") }
    }

    package func run() throws {
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
        try Libtorch.commands(for: "scale").scale(self)
    }
}

/// Two factors of compound scaling: `1.4,1.2`.
package struct ScalingPair: ExpressibleByArgument, Hashable {
    package let alpha: Double
    package let beta: Double

    package init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.count == 2, let alpha = numbers[0], let beta = numbers[1], alpha > 0, beta > 0,
            alpha.isFinite, beta.isFinite
        else { return nil }
        (self.alpha, self.beta) = (alpha, beta)
    }

    /// What the network's options are at an exponent.
    package func options(phi: Double, for architecture: Architecture) throws -> NetworkOptions {
        var options = NetworkOptions()
        options.widthMultiplier = pow(beta, phi)
        if architecture.options.contains(.depthMultiplier) {
            options.depthMultiplier = pow(alpha, phi)
        } else if alpha != 1 {
            throw CommandFailure(
                .usage, "--grid \(alpha),\(beta): \(architecture.name) has no blocks to repeat; its alpha is 1")
        }
        return options
    }
}
