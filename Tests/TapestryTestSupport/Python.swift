import Foundation
import Testing

/// The Python of the test environment, whose packages read what Tapestry writes. `./dev test` installs it and says in
/// TAPESTRY_PYTHON where it is.
public enum Python {
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    public static var isHere: Bool { interpreter != nil }
    public static let skipped: Comment =
        "SKIPPED: TAPESTRY_PYTHON names no Python with the packages of Scripts/test-requirements.txt"

    private static let interpreter = ProcessInfo.processInfo.environment["TAPESTRY_PYTHON"]

    /// Runs a script with arguments; gives what it printed.
    ///
    /// Throws: `Failure` with what it said on standard error, if it fails.
    public static func run(_ script: String, _ arguments: [String]) throws -> String {
        guard let interpreter else { throw Failure(description: "TAPESTRY_PYTHON is not set") }
        let directory = try TemporaryDirectory()
        let process = Process()
        process.executableURL = URL(filePath: interpreter)
        process.arguments = [try directory.write(Array(script.utf8), to: "script.py")] + arguments
        // Output goes to files, which unlike pipes never fill up.
        let (output, errors) = (try directory.write([], to: "output"), try directory.write([], to: "errors"))
        process.standardOutput = try FileHandle(forWritingTo: URL(filePath: output))
        process.standardError = try FileHandle(forWritingTo: URL(filePath: errors))
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: try String(contentsOfFile: errors, encoding: .utf8))
        }
        return try String(contentsOfFile: output, encoding: .utf8)
    }

    /// What the script prints, a JSON document.
    public static func json<Value: Decodable>(_ script: String, _ arguments: [String], as: Value.Type) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(run(script, arguments).utf8))
    }
}
