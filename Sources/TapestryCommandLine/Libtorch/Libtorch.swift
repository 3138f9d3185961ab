import Foundation
import Synchronization

/// A libtorch that a program was built with: what `tapestry doctor` says of it.
package struct Libtorch: Encodable, Sendable {
    package let version: String
    /// The version found at run time, where it differs: a reason to build again.
    package let mismatch: String?
    /// The folder of the libraries.
    package let path: String?
    /// Whether it can compute on GPUs.
    package let hasCUDA: Bool
    /// The library by which groups on GPUs reach NCCL, where it is looked for.
    package let ncclLibrary: String

    package init(version: String, mismatch: String?, path: String?, hasCUDA: Bool, ncclLibrary: String) {
        self.version = version
        self.mismatch = mismatch
        self.path = path
        self.hasCUDA = hasCUDA
        self.ncclLibrary = ncclLibrary
    }
}

extension Libtorch {
    private static let registered = Mutex<(any LibtorchCommands)?>(nil)

    /// What this program does with libtorch; nil where it does not link it.
    static var commands: (any LibtorchCommands)? { registered.withLock { $0 } }

    static func register(_ commands: any LibtorchCommands) { registered.withLock { $0 = commands } }

    /// What does the part of `command` that needs libtorch. A program that does not link libtorch, which starts faster
    /// by all that libtorch does before `main`, here becomes the one beside it that does, and that begins anew; so a
    /// command asks before it has done anything.
    ///
    /// Throws: `CommandFailure` where there is no such program.
    static func commands(for command: String) throws -> any LibtorchCommands {
        if let commands { return commands }
        try LibtorchProgram.become()
        throw CommandFailure.needsLibtorch(command)
    }

    /// That of this process; nil without one.
    static var current: Libtorch? { commands?.library }
}

/// The program that links libtorch, in the folder of this one. It knows every command.
enum LibtorchProgram {
    static let name = "tapestry-libtorch"

    /// Replaces this program by that one: the same process, with the same arguments, environment and open files.
    /// Returns only where it is not there.
    ///
    /// Throws: `CommandFailure` where it is there and cannot be started.
    static func become() throws {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else { return }
        let path = "\(program[..<(program.lastIndex(of: "/") ?? program.startIndex)])/\(name)"
        execv(path, CommandLine.unsafeArgv)
        guard errno != ENOENT else { return }
        throw CommandFailure(.unavailable, "\(path): cannot be started: \(String(cString: strerror(errno)))")
    }
}
