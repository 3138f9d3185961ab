import ArgumentParser
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes
import TapestryRuntime

/// The exit codes of the contract, named as in `sysexits.h`.
package enum ExitStatus: Int32 {
    case usage = 64
    case badData = 65
    case inputNotFound = 66
    case unavailable = 69
    case internalError = 70
    case cannotWrite = 73
    case diskFull = 74
    case interrupted = 75
}

/// Why a command ends without its result: the exit code, and the one line that says what was wrong with which file or
/// option and what to do.
package struct CommandFailure: Error {
    package let status: ExitStatus
    package let message: String

    package init(_ status: ExitStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    /// The one place where errors become exit codes. An error that has no code of its own is the program's fault.
    package init(_ error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let error as UnknownArchitecture: self.init(.usage, error.description)
        case let error as MethodError: self.init(.usage, error.description)
        case let error as DataError: self.init(.usage, error.description)
        case let error as SettingError: self.init(.usage, error.description)
        case let error as NormalizationError: self.init(.usage, error.description)
        case let error as UnknownInstructionSet: self.init(.usage, error.description)
        case let error as FormatError: self.init(.badData, error.description)
        case let error as ConfigurationError: self.init(.badData, error.description)
        case let error as InputNotFound: self.init(.inputNotFound, error.description)
        case let error as WriteError where error.isDiskFull:
            self.init(.diskFull, "\(error); free some space, or write elsewhere")
        case let error as WriteError: self.init(.cannotWrite, "\(error); check the path and its permissions")
        // Graphs from options and from files are checked where they come from; one that breaks later was broken here.
        case let error as GraphError: self.init(.internalError, "internal error: \(error)")
        default: self = Libtorch.commands?.failure(of: error) ?? Self(.internalError, "internal error: \(error)")
        }
    }

    /// What commands say that need libtorch, where no program that links it is there.
    static func needsLibtorch(_ command: String) -> CommandFailure {
        CommandFailure(
            .unavailable,
            "\(command) needs libtorch, which this build lacks; get it with `./dev setup`, then run `./tapestry \(command)`"
        )
    }
}

extension CommandFailure {
    /// Says on standard error what `error` means, in one line, and returns the exit code. Requests that the parser turns
    /// into errors (help, version, completions) are answered on standard output with 0.
    static func report(_ error: any Error) -> Int32 {
        // Whoever read our output has seen enough of it.
        if error is Console.ReaderLeft { return 0 }
        guard isFromParser(error) else {
            let failure = CommandFailure(error)
            Console.note("tapestry: \(oneLine(failure.message))")
            return failure.status.rawValue
        }
        let code = Tapestry.exitCode(for: error)
        if code.isSuccess {
            do { try Console.print(Tapestry.message(for: error)) } catch { return report(error) }
            return 0
        }
        if error is ExitCode { return code.rawValue }
        // The parser's full message ends with "See 'tapestry count --help' for more information."
        let hint = Tapestry.fullMessage(for: error).split(separator: "\n").last { $0.contains("See '") } ?? ""
        var message = oneLine(Tapestry.message(for: error))
        while message.last == "." { message.removeLast() }
        Console.note("tapestry: \(message). \(oneLine(String(hint)))")
        return ExitStatus.usage.rawValue
    }

    private static func isFromParser(_ error: any Error) -> Bool {
        let code = Tapestry.exitCode(for: error)
        return error is ExitCode || code == .success || code == .validationFailure
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.trimmingPrefix(while: \.isWhitespace) }.joined(separator: " ")
    }
}
