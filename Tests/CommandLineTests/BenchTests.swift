import Foundation
import Testing

@Suite("tapestry bench") struct BenchTests {
    private struct Row: Decodable {
        let model, method, precision: String
        let batch, threads, macs: Int
        let median_ms, p10_ms, p90_ms, images_per_second, gflops: Double
    }

    @Test func measuresEveryMethodWithEveryBatch() throws {
        let outcome = try Program.run(
            "bench", "--arch", "ask/resnet8", "--method", "ask:ASK_5a", "--against", "dense", "--batch", "1,3",
            "--threads", "2", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try outcome.json(as: [Row].self)
        #expect(rows.map(\.method) == ["dense", "dense", "ask:ASK_5a", "ask:ASK_5a"])
        #expect(rows.map(\.batch) == [1, 3, 1, 3])
        #expect(rows[0].macs > rows[2].macs)
        for row in rows {
            #expect(row.model == "ask/resnet8" && row.precision == "fp32" && row.threads == 2)
            #expect(0 < row.p10_ms && row.p10_ms <= row.median_ms && row.median_ms <= row.p90_ms)
            let perSecond = Double(row.batch) / row.median_ms * 1e3
            #expect(abs(row.images_per_second / perSecond - 1) < 1e-9)
            #expect(abs(row.gflops / (2e-9 * Double(row.macs) * perSecond) - 1) < 1e-9)
        }
        let keys = try #require(try outcome.json() as? [[String: Any]]).first?.keys.sorted()
        #expect(
            keys == [
                "arena_bytes", "batch", "gflops", "images_per_second", "macs", "median_ms", "method", "model", "p10_ms",
                "p90_ms", "precision", "threads", "weight_bytes",
            ])
    }

    @Test func measuresAndExplainsModelFiles() throws {
        try TemporaryFolder.with { folder throws in
            let path = "\(folder)/m.safetensors"
            try ModelFixtures.write(path)
            let table = try Program.run("bench", path, "--batch", "2", "--threads", "1")
            #expect(table.status == 0 && table.output.contains(path), "\(table.errors)")
            let explained = try Program.run("bench", path, "--batch", "1", "--explain")
            #expect(explained.status == 0, "\(explained.errors)")
            for words in ["layer1.0.conv1", "taps ", "GFLOPS", "of dense"] {
                #expect(explained.output.contains(words))
            }
        }
    }

    @Test func whatIsTunedIsKeptAndUsed() throws {
        try TemporaryFolder.with { folder throws in
            let home = ["TAPESTRY_HOME": "\(folder)/home"]
            let arguments = ["bench", "--arch", "ask/resnet8", "--method", "ask:ASK_4a", "--batch", "3", "--json"]
            #expect(try Program.run(arguments, environment: home).status == 0)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/home"))
            let tuned = try Program.run(arguments + ["--tune", "--threads", "1"], environment: home)
            #expect(tuned.status == 0, "\(tuned.errors)")
            let files = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/home/tunings")
            #expect(files.count == 1)
            // What is kept decides: the number of images that go through the network together.
            let path = "\(folder)/home/tunings/\(files[0])"
            try #"{"images": 1, "kernels": {}, "runsChunks": true}"#.write(
                toFile: path, atomically: true, encoding: .utf8)
            let explained = ["bench", "--arch", "ask/resnet8", "--method", "ask:ASK_4a", "--batch", "3", "--explain"]
            let one = try Program.run(explained + ["--threads", "1"], environment: home)
            #expect(one.output.contains("one thread, 1 images"), "\(one.output)")
            // A damaged file is as good as none.
            try "{".write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try Program.run(explained + ["--threads", "1"], environment: home).status == 0)
        }
    }

    private struct Prediction: Decodable {
        struct Layer: Decodable {
            let layer: String
            let predicted_us: Double
        }

        let method: String
        let batch: Int
        let predicted_ms: Double
        let speed_up, in_theory, measured_ms: Double?
        let layers: [Layer]?
    }

    @Test func costsArePredictedBesideTheDenseNetwork() throws {
        let outcome = try Program.run(
            "predict-cost", "--arch", "ask/resnet8", "--method", "ask:ASK_5a", "--batch", "1,16", "--threads", "1",
            "--layers", "--measure", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let rows = try outcome.json(as: [Prediction].self)
        #expect(rows.map(\.method) == ["dense", "dense", "ask:ASK_5a", "ask:ASK_5a"])
        #expect(rows.map(\.batch) == [1, 16, 1, 16])
        for row in rows {
            // How near they are is the machine's affair, and no test's.
            #expect(try #require(row.measured_ms) > 0 && row.predicted_ms > 0)
            let layers = try #require(row.layers).reduce(0) { $0 + $1.predicted_us } * Double(row.batch) / 1e3
            #expect(abs(layers / row.predicted_ms - 1) < 0.01)
        }
        #expect(try #require(rows[2].in_theory) > 1.5)
        #expect(abs(try #require(rows[2].speed_up) - rows[0].predicted_ms / rows[2].predicted_ms) < 1e-9)
        let table = try Program.run("predict-cost", "--arch", "ask/resnet8", "--method", "shift:9")
        #expect(table.errors.contains("not expected to be faster"))
    }

    #if arch(arm64)
    private static let instructionSets = ["scalar", "neon"]
    #else
    private static let instructionSets = ["scalar", "avx2"]
    #endif

    @Test(arguments: instructionSets) func theInstructionSetIsCapped(set: String) throws {
        let outcome = try Program.run(
            ["bench", "--arch", "ask/resnet8", "--batch", "1", "--json"], environment: ["TAPESTRY_ISA": set])
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains(set) || set == "avx2" && outcome.errors.contains("scalar"))
    }

    @Test(
        "What makes no sense is refused",
        arguments: [
            ("bench", "name models or --arch"), ("bench --arch ask/resnet8 --batch 0", "--batch"),
            ("bench --arch ask/resnet8 --batch 1,", "--batch"), ("bench --arch ask/resnet8 --precision fp8", "bf16"),
            ("bench --arch ask/resnet8 --method nope", "nope"),
            ("bench --arch ask/resnet8 --explain --json", "--explain"),
            ("bench m.safetensors --against dense", "--arch"), ("bench --arch nope", "nope"),
        ])
    func refusals(line: String, word: String) throws {
        let outcome = try Program.run(line.split(separator: " ").map(String.init))
        #expect(outcome.status == 64 && outcome.output.isEmpty)
        #expect(outcome.errorLines.count == 1)
        #expect(outcome.errors.contains(word), "\(outcome.errors)")
    }

    @Test func unknownInstructionSetsAreRefused() throws {
        let outcome = try Program.run(["bench", "--arch", "ask/resnet8"], environment: ["TAPESTRY_ISA": "sse9"])
        #expect(outcome.status == 64 && outcome.errors.contains("scalar"), "\(outcome.errors)")
    }
}
