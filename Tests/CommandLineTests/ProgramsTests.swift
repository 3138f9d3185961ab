import Foundation
import Testing

/// `tapestry`, which does not link libtorch, and the program that it becomes where that is needed.
@Suite("The two programs") struct ProgramsTests {
    /// The libraries that the dynamic loader would load for a program: what `ldd` prints.
    private func libraries(of program: String) throws -> String {
        try Program.execute([program], environment: ["LD_TRACE_LOADED_OBJECTS": "1"]).output
    }

    @Test func tapestryLinksNoLibtorch() throws {
        let libraries = try libraries(of: try Program.path)
        #expect(libraries.contains("libc.so"))
        #expect(!libraries.contains("libtorch") && !libraries.contains("libc10"))
    }

    /// Runs a copy of `tapestry`, in whose folder there is nothing else but perhaps a script in the other's place.
    private func runAlone(_ arguments: [String], beside script: String? = nil) throws -> Program.Outcome {
        try TemporaryFolder.with { folder in
            let copy = "\(folder)/a földer/tapestry"
            // By a shell: a file that this process has written cannot be executed while a child of another test that is
            // only just starting has it open, too.
            let making = """
                mkdir "${2%/*}" && cp "$1" "$2" || exit
                [ -z "$3" ] || { printf '%s' "$3" >"$2-libtorch" && chmod +x "$2-libtorch"; }
                """
            let made = try Program.execute(["/bin/sh", "-c", making, "sh", try Program.path, copy, script ?? ""])
            try #require(made.status == 0, "\(made.errors)")
            return try Program.execute([copy] + arguments, environment: ["TAPESTRY_HOME": "/a b"])
        }
    }

    @Test func argumentsEnvironmentAndExitCodeAreTheOthers() throws {
        let outcome = try runAlone(
            ["train", "--arch", "ask/resnet8", "--data", "a folder", "--method", ""],
            beside: """
                #!/bin/sh
                echo "$# $5 <$7> $TAPESTRY_HOME"
                echo noted >&2
                exit 7
                """)
        #expect(outcome == Program.Outcome(status: 7, output: "7 a folder <> /a b\n", errors: "noted\n"))
    }

    @Test(
        arguments: [
            ("train", ["train", "--arch", "ask/resnet8", "--data", "."]),
            ("demo", ["demo"]),
            ("soak", ["soak", "--data", "."]),
            ("scale", ["scale", "--grid", "1,1", "--phi", "1", "--data", ".", "--out", "s"]),
            ("evaluate --engine torch", ["evaluate", "m.safetensors", "--data", ".", "--engine", "torch"]),
            ("bench --device cuda", ["bench", "--arch", "ask/resnet8", "--device", "cuda"]),
        ])
    func whatNeedsLibtorchIsUnavailableAlone(command: String, arguments: [String]) throws {
        let outcome = try runAlone(arguments)
        #expect(outcome.status == 69)
        #expect(outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.hasPrefix("tapestry: \(command) needs libtorch, which this build lacks; get it with"))
    }

    @Test func usageIsCheckedBeforeLibtorchIsMissed() throws {
        let outcome = try runAlone(["train", "--arch", "ask/resnet8"])
        #expect(outcome.status == 64)
        #expect(outcome.errors.hasPrefix("tapestry: --data is missing"))
    }

    @Test func theRestWorksAlone() throws {
        for arguments in [["--version"], ["train", "--help"], ["count", "--arch", "ask/resnet8"]] {
            #expect(try runAlone(arguments) == Program.run(arguments))
        }
        let doctor = try runAlone(["doctor"])
        #expect(doctor.status == 0)
        #expect(doctor.output.contains("none in this build"))
    }

    #if TAPESTRY_LIBTORCH
    private static var withLibtorch: String { get throws { "\(try Program.path)-libtorch" } }

    @Test func theOtherProgramLinksLibtorch() throws {
        #expect(try libraries(of: try Self.withLibtorch).contains("libtorch_cpu.so"))
    }

    @Test func theOtherProgramDoesEverythingItself() throws {
        for arguments in [
            ["--version"], ["train", "--help"], ["count", "--arch", "ask/resnet8"], ["doctor", "nope"],
        ] {
            #expect(try Program.execute([try Self.withLibtorch] + arguments) == Program.run(arguments))
        }
    }

    @Test func tapestryBecomesTheOtherProgram() throws {
        let report = try #require(try Program.run("doctor", "--json").json() as? [String: Any])
        #expect((report["libtorch"] as? [String: Any])?["version"] is String)
    }

    /// A shell waits for the process that it started, and gets its exit code and its output.
    @Test func itStaysTheSameProcess() throws {
        let outcome = try Program.shell(#""$tapestry" train --arch ask/resnet8 --data /nonexistent & wait $!"#)
        #expect(outcome.status == 66)
        #expect(outcome.errorLines.count == 1)
    }
    #endif
}
