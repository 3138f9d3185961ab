#if TAPESTRY_LIBTORCH
import Foundation
import Testing

@Suite("Soak", .serialized) struct SoakTests {
    /// A training of a second on the data of a `SmallRun`.
    private func options(_ run: SmallRun) -> String {
        "--data \(run.folder)/data --out \(run.folder)/soak --epochs 4 --batch-size 16"
    }

    @Test func killedRunsEndInTheSameBits() throws {
        try SmallRun.with { run throws in
            let outcome = try run.shell("$tapestry soak \(options(run)) --kills 5 --seed 3 --json")
            struct Report: Decodable { let kills, runs, seed, kills_while_writing: Int; let sha256: String }
            let report = try outcome.json(as: Report.self)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(report.kills == 5 && report.runs >= 1 && report.seed == 3 && report.sha256.count == 64)
            #expect((0...5).contains(report.kills_while_writing))
            // It leaves nothing, and its parts are where one expects them.
            #expect(!FileManager.default.fileExists(atPath: "\(run.folder)/soak"))
            #expect(try run.train(out: "whole", "--arch ask/resnet8 --method dense --epochs 4").status == 0)
            #expect(try run.digest("whole/last.safetensors").hasPrefix(report.sha256))
        }
    }

    /// Other images after the undisturbed run make other bits.
    @Test func aDifferenceIsFoundAndKept() throws {
        try SmallRun.with { run throws in
            let outcome = try run.shell(
                """
                $tapestry soak \(options(run)) --kills 2 & pid=$!
                until [ -e \(run.folder)/soak/run-1.log ]; do sleep 0.01; done
                for n in 1 2 3 4 5; do
                    cp \(run.folder)/data/cifar-10-batches-bin/test_batch.bin \(run.folder)/new
                    truncate -s 61460 \(run.folder)/new
                    mv \(run.folder)/new \(run.folder)/data/cifar-10-batches-bin/data_batch_$n.bin
                done
                wait $pid
                """)
            #expect(outcome.status == 70, "\(outcome.errors)")
            let line = outcome.errorLines.last ?? ""
            #expect(line.contains("last.safetensors of \(run.folder)/soak/run-1 is not that of"), "\(outcome.errors)")
            #expect(FileManager.default.fileExists(atPath: "\(run.folder)/soak/whole/last.safetensors"))
            #expect(FileManager.default.fileExists(atPath: "\(run.folder)/soak/run-1/last.safetensors"))
        }
    }

    @Test(arguments: [
        ("--data /no-such-folder", 66, "/no-such-folder"), ("--data . --nope", 64, "--nope"), ("", 64, "--data"),
        ("--data . --resume", 64, "--resume"), ("--data . --kills 0", 64, "--kills"),
        ("--data . --out /", 64, "--out"), ("--data . --lr 0", 64, "--lr"),
    ])
    func whatCannotBeIsRefused(options: String, status: Int32, word: String) throws {
        try TemporaryFolder.with { folder in
            let outcome = try Program.shell("cd \(folder) && $tapestry soak \(options)")
            #expect(outcome.status == status)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errorLines.last?.contains(word) == true, "\(outcome.errors)")
        }
    }
}
#endif
