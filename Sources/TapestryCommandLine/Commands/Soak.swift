import ArgumentParser

package struct Soak: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "soak",
        abstract: "Kill a short training at random moments, and check that it ends in the same bits.",
        usage: "tapestry soak --data DIR [--kills N] [--seed N] [options of train …]",
        discussion: """
            Trains a small network undisturbed. Then trains it again, kills that with signal 9 and resumes it, until \
            it ends; and so on until there were enough kills. Of two kills one comes at any moment, the other while a \
            file is written. Each time the models, the state and the metrics (but for their times) must be those of \
            the undisturbed run to the bit. If they are not, the exit code is 70, and the folders stay.

            Other options are those of `tapestry train`, for what is trained; they follow these, so that later ones \
            win: \(defaultOptions.joined(separator: " "))

            Examples:
              tapestry soak --data ~/cifar
              tapestry soak --data ~/cifar --kills 100 --seed 7 --json
              tapestry soak --data ~/cifar --method ask:ASK_4a --set optimizer=adamw
              tapestry soak --data ~/mnist --arch ec2t/lenet5 --precision bf16
            """)

    /// Seconds of training that write files all the time.
    package static let defaultOptions = [
        "--arch", "ask/resnet8", "--limit-train", "512", "--limit-test", "128", "--epochs", "8", "--batch-size", "64",
        "--threads", "1",
    ]

    @Option(help: ArgumentHelp("The folder of the images.", valueName: "dir"), completion: .directory)
    package var data: String

    @Option(help: "How often to kill; by default 20 times.", transform: Positive.integer)
    package var kills = 20

    @Option(help: "Of the moments at which to kill.")
    package var seed: UInt64 = 1

    @Option(
        help: ArgumentHelp("Where the runs go, until all was well: a folder that is not there yet.", valueName: "dir"),
        completion: .directory)
    package var out = "runs/soak"

    @Flag(help: "Print one JSON document.")
    package var json = false

    @Argument(parsing: .allUnrecognized, help: "Options of `tapestry train`.")
    package var trainOptions: [String] = []

    package init() {}

    package mutating func validate() throws {
        if let option = trainOptions.first(where: { $0 == "--resume" }) {
            throw ValidationError("\(option) is no option of soak, which itself resumes what it kills")
        }
    }

    package func run() throws {
        try Libtorch.commands(for: "soak").soak(self)
    }
}
