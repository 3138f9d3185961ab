import ArgumentParser
import Foundation
import TapestryMethods

struct Scale: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
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
    var grid: [ScalingPair]

    @Option(help: "The exponent of both.", transform: Positive.number)
    var phi: Double

    @Option(
        help: ArgumentHelp("The network to scale.", valueName: "family/name"),
        completion: .list(Zoo.listed.map(\.name)))
    var arch = "ec2t/micronet"

    @Option(help: "How many classes; by default those of the data set.", transform: Positive.extent)
    var classes: Int?

    @Option(help: "Height and width of the images; by default those of the data set.", transform: Positive.extent)
    var imageSize: Int?

    @OptionGroup(title: "Data") var dataArguments: DataArguments
    @OptionGroup(title: "Computing") var computing: ComputingArguments
    @OptionGroup(title: "Recipe") var recipeArguments: RecipeArguments
    @OptionGroup(title: "Run") var runArguments: RunArguments

    mutating func validate() throws {
        if grid.isEmpty { throw ValidationError("--grid is empty; give pairs, as --grid 1.2,1.1 1.4,1.2") }
    }

    func run() async throws {
        guard dataArguments.data != nil else { throw CommandFailure.missingData }
        #if TAPESTRY_TORCH
        try await scale()
        #else
        throw CommandFailure.needsLibtorch("scale")
        #endif
    }
}

/// Two factors of compound scaling: `1.4,1.2`.
struct ScalingPair: ExpressibleByArgument, Hashable {
    let alpha: Double
    let beta: Double

    init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard numbers.count == 2, let alpha = numbers[0], let beta = numbers[1], alpha > 0, beta > 0,
            alpha.isFinite, beta.isFinite
        else { return nil }
        (self.alpha, self.beta) = (alpha, beta)
    }

    /// What the network's options are at an exponent.
    func options(phi: Double, for architecture: Architecture) throws -> NetworkOptions {
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
