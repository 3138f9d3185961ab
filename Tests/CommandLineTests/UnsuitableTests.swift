#if TAPESTRY_LIBTORCH
import Foundation
import TapestryCore
import TapestryFormats
import Testing

/// What `train` and `evaluate` refuse, with the code for options or for files.
@Suite("Networks and settings that do not suit") struct UnsuitableTests {
    private func expect(_ outcome: Program.Outcome, _ status: Int32, _ words: String...) {
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
        let lines = outcome.errorLines.filter { !$0.hasPrefix("threads: ") }
        #expect(lines.count == 1, "\(outcome.errors)")
        for word in words { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
        #expect(!outcome.errors.contains("internal error"))
    }

    @Test(arguments: ["", "--json"]) func logitsThatAreNotFinite(json: String) throws {
        try SmallRun.with { run throws in
            let path = "\(run.folder)/nan.safetensors"
            try ModelFixtures.write(path) { weights in
                guard let old = weights.tensors["conv1.weight"] else { return }
                weights.tensors["conv1.weight"] = Tensor(
                    shape: old.shape, elements: old.elements.map { _ in Float.nan })
            }
            let outcome = try run.shell("$tapestry evaluate \(path) --data \(run.folder)/data --threads 1 \(json)")
            expect(outcome, 65, "\(path): node \"conv1\": its weights are not finite")
            for engine in ["torch", "reference"] {
                let other = try run.shell(
                    "$tapestry evaluate \(path) --data \(run.folder)/data --threads 1 --engine \(engine) \(json)")
                expect(other, 65, "\(path): its logits are not finite for these images", "\"conv1\"")
            }
        }
    }

    @Test func filesOfNetworksThatAreNoClassifiers() throws {
        try SmallRun.with { run throws in
            let graphs: [(String, Graph, String)] = [
                ("images", try Graph.build(input: [3, 32, 32]) { $0.convolution("c", to: 10, kernel: 3) }, "vector"),
                (
                    "oblong",
                    try Graph.build(input: [3, 32, 48]) {
                        $0.convolution("c", to: 8, kernel: 3).globalAveragePool().linear("fc", to: 10)
                    }, "not square"
                ),
                (
                    "few",
                    try Graph.build(input: [3, 32, 32]) {
                        $0.convolution("c", to: 8, kernel: 3).globalAveragePool().linear("fc", to: 3)
                    }, "3 classes"
                ),
            ]
            for (name, graph, word) in graphs {
                let path = "\(run.folder)/\(name).safetensors"
                try ModelFixtures.write(graph, to: path)
                expect(try run.shell("$tapestry evaluate \(path) --data \(run.folder)/data"), 65, path, word)
                expect(
                    try run.shell("$tapestry train --arch \(path) --data \(run.folder)/data --out \(run.folder)/r"), 65,
                    path, word)
            }
        }
    }

    @Test(
        "Options that cannot work are usage",
        arguments: [
            ("--set 'epochs=['", "--set epochs=[: expected YAML"), ("--set epochs=0", "--set epochs=0: "),
            ("--classes 3", "--classes"), ("--channels 2", "1 (grey) or 3 (RGB)"), ("--lr 1e37", "--lr: learning-rate"),
            ("--batch-size 9223372036854775807", "1,000,000"), ("--threads 3000000000", "65,536"),
            ("--device cuda:200", "cuda:200"), ("--loading-threads 70000", "65,536"),
        ])
    func options(text: String, words: String) throws {
        try SmallRun.with { run throws in
            let outcome = try run.shell(
                "$tapestry train --arch ask/resnet8 --data \(run.folder)/data --out \(run.folder)/run \(text)")
            expect(outcome, 64, words)
            #expect(!outcome.errors.contains("--set:"))
            #expect(!FileManager.default.fileExists(atPath: "\(run.folder)/run"))
        }
    }

    /// It is met while loading, after the run has begun.
    @Test func anImageFileThatCannotBeReadIsBadData() throws {
        try SmallRun.with { run throws in
            for split in ["train", "val"] {
                let folder = "\(run.folder)/images/\(split)/a"
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                try AtomicFile.write("no image\n", to: "\(folder)/broken.png")
            }
            let outcome = try run.shell(
                "$tapestry train --arch ask/resnet8 --image-size 32 --data \(run.folder)/images --threads 1"
                    + " --set random-resized-crop=true --out \(run.folder)/run")
            #expect(outcome.status == 65, "\(outcome.errors)")
            #expect(outcome.errorLines.last?.contains("broken.png") == true, "\(outcome.errors)")
        }
    }

    @Test func benchOnADeviceThatIsNotThere() throws {
        let outcome = try Program.run("bench", "--arch", "ask/resnet8", "--device", "cuda:127")
        #expect(outcome.status == 69 && outcome.output.isEmpty)
        #expect(outcome.errors.contains("--device cuda"))
        let tuned = try Program.run("bench", "--arch", "ask/resnet8", "--device", "cuda", "--tune")
        #expect(tuned.status == 64 && tuned.errors.contains("--device"))
    }

    @Test func deviceThatIsNotThere() throws {
        try SmallRun.with { run throws in
            let outcome = try run.train(out: "run", "--device", "cuda:127")
            #expect(outcome.status == 69)
            #expect(outcome.errors.contains("--device cuda") && outcome.errors.contains("tapestry doctor"))
            #expect(!outcome.errors.contains("dlopen"))
        }
    }

    @Test func aRunsStateCanBeShown() throws {
        try SmallRun.with { run throws in
            let trained = try run.train(out: "run", "--epochs", "1")
            #expect(trained.errors.contains("threads: 1 (asked for by --threads), and 1 that loads images"))
            let outcome = try run.shell("$tapestry show \(run.folder)/run/state.safetensors --json")
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("\"optimizer/"))
            let resumed = try run.shell("$tapestry train --resume --out \(run.folder)/run")
            #expect(resumed.errors.contains("threads: 1 (with which the run was started), and 1 that loads images"))
        }
    }
}
#endif
