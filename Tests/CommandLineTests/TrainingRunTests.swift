#if TAPESTRY_LIBTORCH
import Foundation
import TapestryCore
import TapestryFormats
import Testing

/// Whole runs of the built program on a small data set of its own making.
@Suite("Training runs", .serialized) struct TrainingRunTests {
    /// Killed at random moments and resumed each time, a run ends with the bits of one that was left alone.
    @Test(arguments: [
        "--threads 1",
        "--threads 2 --precision bf16 --set optimizer=adamw --set ema-decay=0.9 --set label-smoothing=0.1 "
            + "--set gradient-clip=1 --set schedule=cosine --set bias-learning-rate-factor=2 --lr 0.01",
        "--threads 1 --recipe acnet-cifar --set reset-optimizer=true --set test-every=3 --set test-last=1",
    ])
    func killedAndResumedIsBitIdentical(options: String) throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "whole", "--epochs", "12", options).status == 0)
            var random = RandomStream(seed: UInt64.random(in: 0...UInt64.max), purpose: .test)
            var kills = 0
            for attempt in 0..<8 {
                // It is killed some time after it has saved something, so that each attempt gets further.
                let start = attempt == 0 ? "\(run.options) --epochs 12 \(options)" : "--resume"
                let outcome = try run.shell(
                    """
                    state=\(run.folder)/cut/state.safetensors; before=$(stat -c %y $state 2>/dev/null)
                    $tapestry train \(start) --out \(run.folder)/cut & pid=$!
                    while kill -0 $pid 2>/dev/null && [ "$(stat -c %y $state 2>/dev/null)" = "$before" ]; do sleep 0.01; done
                    sleep 0.\(String(1000 + random.integer(below: 50)).dropFirst()); kill -KILL $pid 2>/dev/null; wait $pid
                    """)
                if outcome.status == 0 { break }
                #expect(outcome.status == 137, "\(outcome.errors)")
                kills += 1
            }
            #expect(kills >= 3)
            #expect(try run.shell("$tapestry train --resume --out \(run.folder)/cut").status == 0)
            for file in ["last.safetensors", "best.safetensors"] {
                #expect(try run.digest("whole/\(file)") == run.digest("cut/\(file)"))
            }
            #expect(try run.metrics("whole") == run.metrics("cut"))
            #expect(try run.shell("ls \(run.folder)/cut").output.contains(".tmp") == false)
        }
    }

    @Test(arguments: ["INT", "TERM"]) func askedToStopItSavesAndGoesOn(signal: String) throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "whole", "--epochs", "30").status == 0)
            // A signal before the program listens would end it as any other, so it waits for the first sign of life.
            let outcome = try run.shell(
                """
                $tapestry train \(run.options) --epochs 30 --out \(run.folder)/cut & pid=$!
                until [ -e \(run.folder)/cut/metrics.jsonl ]; do sleep 0.05; done
                kill -\(signal) $pid; wait $pid
                """)
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(outcome.errors.contains("--resume"))
            #expect(try run.shell("$tapestry train --resume --out \(run.folder)/cut").status == 0)
            #expect(try run.digest("whole/last.safetensors") == run.digest("cut/last.safetensors"))
        }
    }

    @Test func loadingThreadsDoNotMatter() throws {
        try SmallRun.with { run throws in
            for threads in ["1", "3"] {
                #expect(
                    try run.train(out: threads, "--epochs", "1", "--loading-threads", threads).status == 0)
            }
            #expect(try run.digest("1/last.safetensors") == run.digest("3/last.safetensors"))
        }
    }

    @Test func seedsMatter() throws {
        try SmallRun.with { run throws in
            for seed in ["1", "2"] {
                #expect(try run.train(out: seed, "--epochs", "1", "--seed", seed).status == 0)
            }
            #expect(try run.digest("1/last.safetensors") != run.digest("2/last.safetensors"))
        }
    }

    /// With several steps an epoch training notices; with one, evaluation does.
    @Test(arguments: ["", "--limit-train 16"]) func lossThatIsNotFiniteStopsAndSparesCheckpoints(limit: String) throws {
        try SmallRun.with { run throws in
            let outcome = try run.train(out: "wild", "--epochs", "3", "--lr", "1e6", "--set", "warm-up-epochs=2", limit)
            #expect(outcome.status == 65, "\(outcome.errors)")
            #expect(outcome.errors.contains("first layer to go wrong is \""))
            for file in ["state", "last", "best"] {
                let path = "\(run.folder)/wild/\(file).safetensors"
                guard FileManager.default.fileExists(atPath: path) else { continue }
                let tensors = try SafetensorsFile.read(path).tensors.compactMap(\.tensor.float32)
                #expect(!tensors.isEmpty && tensors.allSatisfy { $0.elements.allSatisfy(\.isFinite) })
            }
        }
    }

    /// What a file of a run may say that was damaged and sealed again, or exchanged; none of it may crash or be taken for
    /// sound.
    @Test(arguments: [
        (#""epoch":[0-9]*"#, #""epoch":-1"#), (#""epoch":[0-9]*"#, #""epoch":9"#), (#""step":[0-9]*"#, #""step":-1"#),
        (#""images":[0-9]*"#, #""images":-7"#), (#""worldSize":1"#, #""worldSize":2"#), (#""relu""#, #""what""#),
        (#"momentum_buffer"#, #"momentum_bufffr"#),
    ])
    func damagedStatesAreRefused(pattern: String, replacement: String) throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "run", "--epochs", "1").status == 0)
            let state = "\(run.folder)/run/state.safetensors"
            // In the header's JSON quotes are escaped; its length stays what it is by spaces at its end.
            let edit = try run.shell(
                """
                python3 - <<'END'
                import re, struct
                data = open("\(state)", "rb").read()
                length, = struct.unpack("<Q", data[:8])
                header = re.sub('"tapestry.(header|digests)":"[0-9a-f]*",', "", data[8:8 + length].decode())
                pattern, replacement = r'\(pattern)', r'\(replacement)'
                for quote in ('"', '\\\\"'):
                    header = re.sub(pattern.replace('"', re.escape(quote)), lambda _: replacement.replace('"', quote), header, count=1)
                header = header.encode()
                open("\(state)", "wb").write(struct.pack("<Q", len(header)) + header + data[8 + length:])
                END
                """)
            try #require(edit.status == 0, "\(edit.errors)")
            let outcome = try run.shell(
                "rm \(run.folder)/run/state.older.safetensors; $tapestry train --resume --out \(run.folder)/run")
            #expect([64, 65].contains(outcome.status), "\(outcome.status): \(outcome.errors)")
            #expect(outcome.errors.split(separator: "\n").filter { $0.hasPrefix("tapestry: ") }.count == 1)
        }
    }

    /// Real images, where the machine has them: a minute's training must do much better than chance.
    @Test(.enabled(if: realCIFAR != nil, "SKIPPED: TAPESTRY_CIFAR does not name the folder of the real CIFAR-10"))
    func realImagesAreLearnt() throws {
        let data = try #require(Self.realCIFAR)
        try SmallRun.with { run throws in
            let outcome = try run.shell(
                "$tapestry train --arch ask/resnet8 --method ask:ASK_5a --data \(data) --dataset cifar10 --epochs 2 "
                    + "--limit-train 5000 --limit-test 1000 --set schedule=cosine --json --out \(run.folder)/real")
            struct Result: Decodable { let last: SmallRun.Metrics }
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try outcome.json(as: Result.self).last.testTop1 ?? 0 > 25)
        }
    }

    static let realCIFAR = ProcessInfo.processInfo.environment["TAPESTRY_CIFAR"]

    @Test func anExistingRunIsNotOverwritten() throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "run", "--epochs", "1").status == 0)
            let before = try run.digest("run/last.safetensors")
            #expect(try run.train(out: "run", "--epochs", "1").status != 0)
            #expect(try run.shell("$tapestry train --resume --out \(run.folder)/run --lr 0.5").status == 64)
            #expect(try run.shell("$tapestry train --resume --out \(run.folder)/none").status == 66)
            #expect(try run.digest("run/last.safetensors") == before)
        }
    }

    @Test func modelsAreEvaluatedAsTheyWereTrained() throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "run", "--epochs", "1").status == 0)
            let outcome = try run.shell(
                "$tapestry evaluate \(run.folder)/run/last.safetensors --data \(run.folder)/data --json")
            struct Figures: Decodable { let top1, top5, loss, seconds: Double; let images: Int }
            let figures = try outcome.json(as: Figures.self)
            let epoch = try #require(try run.metrics("run").last)
            #expect(figures.images == SmallRun.testImages)
            #expect(abs(figures.top1 - (try #require(epoch.testTop1))) < 1e-9)
            #expect(abs(figures.loss - (try #require(epoch.testLoss))) < 1e-5)
        }
    }
}
#endif
