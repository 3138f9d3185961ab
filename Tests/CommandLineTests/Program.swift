import Foundation

/// The built `tapestry`, run as a user would run it.
struct Program {
    struct Outcome: Equatable {
        let status: Int32
        let output: String
        let errors: String

        /// The lines on standard error.
        var errorLines: [Substring] { errors.split(separator: "\n") }

        /// Standard output as exactly one JSON document.
        func json() throws -> Any { try JSONSerialization.jsonObject(with: Data(output.utf8)) }

        /// Standard output as exactly one JSON document.
        func json<Value: Decodable>(as type: Value.Type) throws -> Value {
            try JSONDecoder().decode(type, from: Data(output.utf8))
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// SwiftPM builds the program beside the test bundle, which is the running program itself.
    static var path: String {
        get throws {
            let bundle = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            let path = bundle.deletingLastPathComponent().appending(component: "tapestry").path()
            guard FileManager.default.isExecutableFile(atPath: path) else {
                throw Failure(description: "no built program at \(path)")
            }
            return path
        }
    }

    /// Runs `tapestry` with `arguments` and waits for its end.
    static func run(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        try run(arguments, environment: environment)
    }

    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        try execute([try path] + arguments, environment: environment)
    }

    /// Runs a line of bash in which `$tapestry` is the program.
    static func shell(_ line: String) throws -> Outcome {
        try execute(["/bin/bash", "-c", line], environment: ["tapestry": try path])
    }

    /// Runs a program by its path. Output goes to files, which unlike pipes never fill up.
    static func execute(_ command: [String], environment: [String: String] = [:]) throws -> Outcome {
        try TemporaryFolder.with { folder in
            let (output, errors) = ("\(folder)/stdout", "\(folder)/stderr")
            var actions = posix_spawn_file_actions_t()
            posix_spawn_file_actions_init(&actions)
            defer { posix_spawn_file_actions_destroy(&actions) }
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
            posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT, 0o600)
            posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT, 0o600)
            let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { "\($0)=\($1)" }
            var process = pid_t()
            let error = withCStrings(command) { arguments in
                withCStrings(variables) { posix_spawn(&process, command[0], &actions, nil, arguments, $0) }
            }
            guard error == 0 else { throw Failure(description: "cannot start \(command[0]): error \(error)") }
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
            // As a shell has it: the exit code, or 128 and the signal.
            let code = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
            return Outcome(
                status: code, output: try String(contentsOfFile: output, encoding: .utf8),
                errors: try String(contentsOfFile: errors, encoding: .utf8))
        }
    }

    private static func withCStrings<Result>(
        _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = texts.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers + [nil])
    }
}

/// A folder that lives as long as a test needs it.
enum TemporaryFolder {
    static func with<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(component: "tapestry-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try body(folder)
    }
}
