#if TAPESTRY_LIBTORCH
import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// Every published recipe, run by the program on small data.
@Suite("Runs of recipes", .serialized) struct RecipeRunTests {
    private struct Figures: Decodable { let top1, loss: Double }

    /// The whole record, whose untested epochs must say so by having no figures.
    private func expectRecord(_ run: SmallRun, _ name: String, tested: [Int], epochs: ClosedRange<Int>) throws {
        let metrics = try run.metrics(name)
        #expect(metrics.map(\.epoch) == Array(epochs))
        for epoch in metrics {
            #expect((epoch.trainLoss != nil) == (epoch.epoch > 0) && (epoch.learningRate != nil) == (epoch.epoch > 0))
            let hasTest = tested.contains(epoch.epoch)
            #expect((epoch.testTop1 != nil) == hasTest && (epoch.testLoss != nil) == hasTest, "epoch \(epoch.epoch)")
        }
    }

    @Test(arguments: [
        ("hetconv", "1", 0), ("acnet-cifar", "1", 0), ("acnet-cifar-quick", "1", 0), ("acnet-cifar-resnet56", "1", 0),
        ("acnet-cifar-wrn", "1", 0), ("acnet-imagenet", "1", 0), ("shift", "1", 1), ("ec2t-scale", "363636", 1),
        ("ec2t-scale-imagenet", "363636", 1), ("ec2t-mnist", "363636", 1), ("ask", "1", 1),
    ])
    func everyRecipeRuns(name: String, seed: String, firstEpoch: Int) throws {
        try SmallRun.with { run throws in
            let outcome = try run.train(out: "run", "--recipe", name, "--epochs", "2", "--json")
            #expect(outcome.status == 0, "\(outcome.errors)")
            try expectRecord(run, "run", tested: [firstEpoch, 1, 2], epochs: firstEpoch...2)
            let record = try ConfigurationValue.read("\(run.folder)/run/config.yaml")
            #expect(record["seed"]?.string == seed)
            let evaluated = try run.shell(
                "$tapestry evaluate \(run.folder)/run/last.safetensors --data \(run.folder)/data --json")
            let figures = try evaluated.json(as: Figures.self)
            let last = try #require(try run.metrics("run").last)
            #expect(figures.top1 == last.testTop1)
            #expect(abs(figures.loss - (try #require(last.testLoss))) < 1e-5)
        }
    }

    @Test func aNetworkTrainsByItsOwnRecipeUnlessToldOtherwise() throws {
        try SmallRun.with { run throws in
            #expect(try run.train(out: "own", "--epochs", "1").status == 0)
            #expect(try run.train(out: "named", "--epochs", "1", "--recipe", "ask").status == 0)
            #expect(try run.train(out: "other", "--epochs", "1", "--recipe", "ec2t-scale", "--seed", "5").status == 0)
            #expect(try run.digest("own/config.yaml") == run.digest("named/config.yaml"))
            let other = try ConfigurationValue.read("\(run.folder)/other/config.yaml")
            #expect(other["seed"]?.string == "5" && other["recipe"]?["nesterov"]?.bool == true)
            // Options that are repeated agree with the record; others do not.
            let resume = "$tapestry train --resume --out \(run.folder)/other --recipe"
            #expect(try run.shell("\(resume) ec2t-scale --epochs 1 --batch-size 16").status == 0)
            let conflict = try run.shell("\(resume) shift --epochs 1 --batch-size 16")
            #expect(conflict.status == 64 && conflict.errors.contains("test-batch-size"), "\(conflict.errors)")
        }
    }

    @Test func epochsAreTestedWhenTheRecipeSays() throws {
        try SmallRun.with { run throws in
            let outcome = try run.train(
                out: "run", "--epochs", "7", "--set", "test-every=3", "--set", "test-last=2", "--set",
                "test-before-training=true")
            #expect(outcome.status == 0, "\(outcome.errors)")
            try expectRecord(run, "run", tested: [0, 3, 6, 7], epochs: 0...7)
            let lines = outcome.errorLines.filter { $0.hasPrefix("epoch ") }
            #expect(lines.filter { $0.contains("test ") }.map { $0.dropFirst(6).prefix(1) } == ["0", "3", "6", "7"])
            #expect(lines.count == 8)
            let best = try #require(
                try run.metrics("run").filter { $0.testTop1 != nil }.max { $0.testTop1! < $1.testTop1! })
            let model = try ModelFile.read("\(run.folder)/run/best.safetensors")
            #expect(model.facts["epoch"] == "\(best.epoch)")
            #expect(model.facts["top1"] == best.testTop1.map { "\($0)" })
        }
    }

    /// The last model of a run that is stopped before its first test says that it was not tested.
    @Test func anUntestedModelClaimsNoAccuracy() throws {
        try SmallRun.with { run throws in
            let outcome = try run.shell(
                """
                $tapestry train \(run.options) --epochs 500 --set test-every=500 --out \(run.folder)/run & pid=$!
                until [ -e \(run.folder)/run/metrics.jsonl ]; do sleep 0.05; done
                kill -INT $pid; wait $pid
                """)
            #expect(outcome.status == 75, "\(outcome.errors)")
            #expect(try ModelFile.read("\(run.folder)/run/last.safetensors").facts["top1"] == nil)
            #expect(!FileManager.default.fileExists(atPath: "\(run.folder)/run/best.safetensors"))
        }
    }

    /// Where an epoch is one step, momentum that starts from zero each epoch does nothing.
    @Test func aNewOptimiserHasNoMomentum() throws {
        try SmallRun.with { run throws in
            let settings = [
                "new": "--set reset-optimizer=true", "none": "--set momentum=0", "kept": "--set reset-optimizer=false",
            ]
            for (name, setting) in settings {
                #expect(try run.train(out: name, "--epochs 4 --limit-train 16", setting).status == 0)
            }
            #expect(try run.digest("new/last.safetensors") == run.digest("none/last.safetensors"))
            #expect(try run.digest("new/last.safetensors") != run.digest("kept/last.safetensors"))
        }
    }

    /// 100 images in batches of 16 are 6 whole ones and one of 4; the small one is the second epoch's first.
    @Test func epochsOfWholeBatches() throws {
        try SmallRun.with { run throws in
            let settings = "--set epoch-steps=whole-batches --set schedule=cosine --set schedule-unit=step"
            #expect(try run.train(out: "run", "--epochs", "3", settings).status == 0)
            let metrics = try run.metrics("run")
            for (epoch, images) in zip(metrics, [96.0, 84, 96]) {
                let correct = try #require(epoch.trainTop1) * images / 100
                #expect(abs(correct - correct.rounded()) < 1e-9)
                let last = Double(6 * epoch.epoch - 1) / 18
                #expect(abs((try #require(epoch.learningRate)) - 0.1 * (1 + cos(.pi * last)) / 2) < 1e-15)
            }
        }
    }

    /// Pictures of a folder, resized and cropped as the recipe says, in training and again in evaluation.
    @Test(arguments: ["acnet-imagenet", "ec2t-scale-imagenet"]) func imageNetsRecipesOnAFolder(recipe: String) throws {
        try SmallRun.with { run throws in
            for (split, name) in [("train", "rgb.png"), ("train", "420.jpg"), ("val", "palette.png")] {
                for label in ["a", "b"] {
                    let folder = "\(run.folder)/pictures/\(split)/\(label)"
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                    let picture = Fixture.path("images/\(name)")
                    try FileManager.default.copyItem(atPath: picture, toPath: "\(folder)/\(name)")
                }
            }
            let outcome = try run.shell(
                "$tapestry train --arch ask/resnet8 --data \(run.folder)/pictures --image-size 16 --threads 1"
                    + " --recipe \(recipe) --epochs 2 --batch-size 2 --out \(run.folder)/run")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let evaluated = try run.shell(
                "$tapestry evaluate \(run.folder)/run/last.safetensors --data \(run.folder)/pictures --json")
            let loss = try evaluated.json(as: Figures.self).loss
            #expect(abs(loss - (try #require(try run.metrics("run").last?.testLoss))) < 1e-5)
        }
    }

    /// LeNet-5's own recipe.
    @Test func mnistsRecipeOnGreyImages() throws {
        try SmallRun.with { run throws in
            let folder = "\(run.folder)/digits"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            for (name, count) in [("train", 40), ("t10k", 20)] {
                let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, UInt8(count)] + (0..<count).map { UInt8($0 % 10) }
                try AtomicFile.write(labels, to: "\(folder)/\(name)-labels-idx1-ubyte")
                let images: [UInt8] =
                    [0, 0, 8, 3, 0, 0, 0, UInt8(count), 0, 0, 0, 28, 0, 0, 0, 28]
                    + (0..<count).flatMap { [UInt8](repeating: UInt8($0 % 10 * 25), count: 28 * 28) }
                try AtomicFile.write(images, to: "\(folder)/\(name)-images-idx3-ubyte")
            }
            let outcome = try run.shell(
                "$tapestry train --arch ec2t/lenet5 --data \(folder) --dataset mnist --threads 1 --epochs 1"
                    + " --batch-size 16 --out \(run.folder)/run")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let recipe = try ConfigurationValue.read("\(run.folder)/run/config.yaml")["recipe"]
            #expect(recipe?["nesterov"]?.bool == true && recipe?["crop-padding"]?.integer == 0)
            #expect(try ModelFile.read("\(run.folder)/run/last.safetensors").facts["normalization"] == "ec2t")
        }
    }

    /// A checkpoint of weights alone does not say how its images were prepared; its network's recipe does.
    @Test func aBareCheckpointIsEvaluatedAsItsNetworkWasPublished() throws {
        try SmallRun.with { run throws in
            let data = "--arch ec2t/resnet20 --data \(run.folder)/data --threads 1"
            let trained = try run.shell("$tapestry train \(data) --epochs 1 --batch-size 50 --out \(run.folder)/run")
            #expect(trained.status == 0, "\(trained.errors)")
            let expected = try #require(try run.metrics("run").last?.testLoss)
            func loss(_ options: String) throws -> Double {
                let evaluated = try run.shell(
                    "$tapestry evaluate \(run.folder)/run/last.safetensors \(data) \(options) --json")
                return try evaluated.json(as: Figures.self).loss
            }
            // Our own kernels add in another order than libtorch's.
            #expect(abs(try loss("") - expected) < 1e-6 * expected)
            #expect(abs(try loss("--normalize ask") - expected) > 1e-4)
        }
    }

    @Test func helpNamesRecipesAndTheirNetworks() throws {
        let help = try Program.run("train", "--help").output
        for word in ["hetconv/*", "acnet-cifar-quick", "acnet/*", "shift/*", "ec2t-scale-imagenet"] {
            #expect(help.contains(word))
        }
        let outcome = try Program.shell("\"$tapestry\" train --arch ask/vgg11 --data . --recipe nobodys")
        #expect(outcome.status == 64 && outcome.errors.contains("hetconv"), "\(outcome.errors)")
    }

    @Test func aBatchLargerThanTheDataIsRefusedWhereTheLastIsLeftOut() throws {
        try SmallRun.with { run throws in
            let outcome = try run.train(out: "run", "--recipe acnet-imagenet --batch-size 101")
            #expect(outcome.status == 65 && outcome.errors.contains("--batch-size"), "\(outcome.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(run.folder)/run"))
        }
    }
}
#endif
