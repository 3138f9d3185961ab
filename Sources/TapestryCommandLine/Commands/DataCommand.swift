import ArgumentParser

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Check data sets.",
        discussion: """
            Examples:
              tapestry data verify --data /usr/share/datasets/fashion-mnist
            """,
        subcommands: [DataVerify.self])
}
