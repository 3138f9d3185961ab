#if TAPESTRY_LIBTORCH
import Foundation
import Testing

/// The examples are run as a reader of them would.
@Suite("Examples", .serialized) struct ExampleTests {
    private static let images = "/usr/share/datasets/fashion-mnist"

    private static var script: String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appending(components: "Examples", "TernaryLeNet", "run").path()
    }

    /// Interrupted at two places and started again it comes to its end, and to the models of a run left alone.
    @Test(
        .enabled(
            if: FileManager.default.fileExists(atPath: images), "SKIPPED: dataset-fashion-mnist is not installed"))
    func lenetIsMadeTernary() throws {
        try TemporaryFolder.with { folder throws in
            let command = "QUICK=1 THREADS=1 TAPESTRY=$tapestry \(Self.script)"
            let whole = try Program.shell("\(command) \(folder)/whole")
            #expect(whole.status == 0, "\(whole.errors)")
            for seconds in [2, 5] {
                let outcome = try Program.shell("timeout -s INT \(seconds) bash -c '\(command) \(folder)/cut'")
                #expect(outcome.status != 0)
            }
            let resumed = try Program.shell("\(command) \(folder)/cut")
            #expect(resumed.status == 0, "\(resumed.errors)")
            let digests = try ["whole", "cut"].map { run in
                try Program.shell("cd \(folder)/\(run) && sha256sum lenet5.safetensors */best.safetensors").output
            }
            #expect(digests[0] == digests[1] && !digests[0].isEmpty)
        }
    }
}
#endif
