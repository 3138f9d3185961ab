import Testing

@Suite("Help, version and completions")
struct HelpTests {
    private static let commands = [
        "train", "soak", "scale", "quantize", "retrain", "evaluate", "convert", "validate", "predict", "report",
        "count",
        "score", "archs", "show", "data", "data verify", "doctor", "demo", "bench",
    ]

    @Test("teaches with an example", arguments: commands)
    func help(_ command: String) throws {
        let outcome = try Program.shell("\"$tapestry\" \(command) --help")
        #expect(outcome.status == 0)
        #expect(outcome.errors.isEmpty)
        #expect(outcome.output.contains("Examples:\n  tapestry \(command)"))
        #expect(!outcome.output.split(separator: "\n").contains { $0.count > 80 }, "a line is too wide for a terminal")
        #expect(try Program.shell("\"$tapestry\" help \(command)").output == outcome.output)
    }

    @Test func rootHelpNamesEveryCommand() throws {
        let outcome = try Program.run()
        #expect(outcome.status == 0)
        for command in Self.commands where !command.contains(" ") {
            #expect(outcome.output.contains("\n  \(command) "))
        }
        #expect(try Program.run("--help").output == outcome.output)
    }

    @Test func methodsExplainThemselves() throws {
        let outcome = try Program.run("count", "--help")
        for word in ["ASK_5a", "ASK_2", "dense", "feature.?"] { #expect(outcome.output.contains(word)) }
    }

    @Test func versionIsThreeNumbers() throws {
        let outcome = try Program.run("--version")
        #expect(outcome.status == 0)
        #expect(outcome.output.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
    }

    @Test("are scripts", arguments: ["bash", "zsh", "fish"])
    func completions(shell: String) throws {
        let outcome = try Program.run("--generate-completion-script", shell)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("ask/resnet20"))
    }

    @Test func bashAcceptsItsCompletions() throws {
        let outcome = try Program.shell("\"$tapestry\" --generate-completion-script bash | bash -n")
        #expect(outcome.status == 0)
        #expect(outcome.errors.isEmpty)
    }
}
