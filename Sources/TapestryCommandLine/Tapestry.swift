import ArgumentParser
import CTapestryMemory
import Dispatch
import Foundation

/// The root of the command line. A command's file parses, calls and prints; what commands share is in `Support`.
///
/// Every command says its name, for which the parser else asks the Swift runtime: a millisecond of every start.
package struct Tapestry: ParsableCommand {
    static let version = "0.1.0"

    package static let configuration = CommandConfiguration(
        commandName: "tapestry",
        abstract: "Efficient convolutional networks: design, train, evaluate and count kernels of any shape.",
        discussion: """
            Examples:
              tapestry demo         the whole story on real data, in minutes
              tapestry archs        the networks it knows
              tapestry count --arch ask/vgg16 --method ask:ASK_5a
              tapestry doctor       what this machine has, and what is missing

            Results go to standard output, progress and messages to standard error. Exit codes: 0 done, 64 usage, \
            65 bad data or model file, 66 input not found, 69 something needed is unavailable, 70 internal error, \
            73 cannot write, 74 disk full, 75 interrupted but resumable.

            Completions: tapestry --generate-completion-script bash|zsh|fish
            """,
        version: version,
        subcommands: [
            Train.self, Soak.self, Scale.self, Quantize.self, Retrain.self, Evaluate.self, Convert.self, Validate.self,
            Predict.self, Report.self, CountCommand.self, ScoreCommand.self, Bench.self, PredictCost.self, Archs.self,
            Show.self,
            DataCommand.self, Doctor.self, Demo.self,
        ])

    package init() {}

    /// The command line, to the process's end. `libtorch` is what a program that links libtorch does with it.
    ///
    /// Not asynchronous: what runs tasks opens files, which must not happen before the standard descriptors are open.
    package static func main(with libtorch: (any LibtorchCommands)? = nil) -> Never {
        tapestry_keep_freed_memory()
        if let libtorch { Libtorch.register(libtorch) }
        // A reader that leaves early (`| head`) is then an error of the write, which ends the command quietly, and not a
        // signal that would kill a training run whose messages nobody reads.
        signal(SIGPIPE, SIG_IGN)
        unblockSignals()
        Console.openStandardDescriptors()
        do {
            try checkHelpRequest(CommandLine.arguments.dropFirst())
            var command = try parseAsRoot()
            guard let asynchronous = command as? any AsyncParsableCommand else {
                try command.run()
                end(0)
            }
            run(asynchronous)
        } catch {
            end(CommandFailure.report(error))
        }
    }

    /// A thread of a pool blocks signals, and leaves that to the programs that it starts.
    private static func unblockSignals() {
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
    }

    private static func run(_ command: sending any AsyncParsableCommand) -> Never {
        Task {
            do {
                var command = command
                try await command.run()
                end(0)
            } catch {
                end(CommandFailure.report(error))
            }
        }
        dispatchMain()
    }

    /// Ends the process without the destructors of its libraries: libtorch's take a tenth of a second to free what the
    /// system frees at once.
    private static func end(_ status: Int32) -> Never {
        fflush(nil)
        _exit(status)
    }

    /// The parser answers `help nope` with the root's help, as if nothing were wrong.
    private static func checkHelpRequest(_ arguments: ArraySlice<String>) throws {
        guard arguments.first == "help" else { return }
        var command: any ParsableCommand.Type = Self.self
        for name in arguments.dropFirst() where !name.hasPrefix("-") {
            guard let next = command.configuration.subcommands.first(where: { $0._commandName == name }) else {
                throw CommandFailure(.usage, "help: there is no command \"\(name)\"; `tapestry help` lists them")
            }
            command = next
        }
    }
}
