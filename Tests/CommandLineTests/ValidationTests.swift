import Foundation
import TapestryCore
import TapestryTestSupport
import Testing

private let environment = ProcessInfo.processInfo.environment

/// Models and engines that are compared on images.
@Suite("tapestry validate") struct ValidationTests {
    private struct Comparison: Decodable {
        struct Side: Decodable {
            let model, engine: String
            let top1, top5, loss, seconds: Double
            let images: Int
        }

        let models: [Side]
        let images: Int
        let agreement, largestDifference, largestLogit: Double

        enum CodingKeys: String, CodingKey {
            case models, images, agreement
            case largestDifference = "largest_difference"
            case largestLogit = "largest_logit"
        }

        /// As a share of the largest logit.
        var difference: Double { largestDifference / largestLogit }
    }

    private func compare(_ arguments: [String]) throws -> Comparison {
        let outcome = try Program.run(["validate", "--threads", "2", "--json"] + arguments)
        try #require(outcome.status == 0, "\(outcome.errors)")
        return try outcome.json(as: Comparison.self)
    }

    /// Equal networks agree; networks of other weights differ.
    @Test func modelsAreCompared() throws {
        try SmallRun.with { run throws in
            let (folder, data) = (run.folder, "\(run.folder)/data")
            let source = "\(folder)/a.safetensors"
            try ConversionTests.writeBlocks(source)
            try ModelFixtures.write("\(folder)/c.safetensors")
            #expect(try Program.run("convert", source, "-o", "\(folder)/b.pt", "--data", data).status == 0)
            let same = try compare([source, "\(folder)/b.pt", "--data", data])
            #expect(same.agreement == 100 && same.difference < 1e-5 && same.images == SmallRun.testImages)
            #expect(same.models.map(\.model) == [source, "\(folder)/b.pt"])
            #expect(same.models.map(\.engine) == ["native:fp32", "native:fp32"])
            #expect(same.models[0].top1 == same.models[1].top1)
            let other = try compare([source, "\(folder)/c.safetensors", "--data", data, "--normalize", "ask"])
            #expect(other.difference > 1e-2)
            let table = try Program.run("validate", source, source, "--data", data)
            #expect(table.output.contains("both say the same class of 100.00 %"), "\(table.errors)")
            #expect(table.output.contains("native:fp32"))
        }
    }

    #if TAPESTRY_LIBTORCH
    private static let pairs = [
        "native,reference", "native,native:bf16", "native,torch", "torch,reference", "torch:bf16,native:bf16",
    ]
    #else
    private static let pairs = ["native,reference", "native,native:bf16"]
    #endif

    /// One network by two engines: within what single precision promises, or bfloat16's 8 bits allow.
    @Test(arguments: pairs) func enginesAgree(pair: String) throws {
        try SmallRun.with { run throws in
            let path = "\(run.folder)/m.safetensors"
            try ModelFixtures.write(path)
            let comparison = try compare([path, "--data", "\(run.folder)/data", "--engine", pair])
            let names = pair.split(separator: ",").map { name in
                name == "reference" || name.contains(":") ? String(name) : "\(name):fp32"
            }
            #expect(comparison.models.map(\.engine) == names && comparison.models.map(\.model) == [path, path])
            #expect(comparison.models.map(\.images) == [SmallRun.testImages, SmallRun.testImages])
            #expect(comparison.largestDifference > 0, "both were run by one engine")
            #expect(comparison.difference < (pair.contains("bf16") ? 0.05 : 1e-5))
            let (a, b) = (comparison.models[0], comparison.models[1])
            #expect(abs(a.loss - b.loss) < (pair.contains("bf16") ? 0.05 : 1e-5) * max(1, a.loss))
            if !pair.contains("bf16") { #expect(a.top1 == b.top1 && a.top5 == b.top5 && comparison.agreement == 100) }
        }
    }

    /// --precision is of the engines that do not say theirs, and one engine runs both models.
    @Test func optionsSettleWhatEnginesLeaveOpen() throws {
        try SmallRun.with { run throws in
            let path = "\(run.folder)/m.safetensors"
            try ModelFixtures.write(path)
            let data = ["--data", "\(run.folder)/data", "--limit-test", "3"]
            let settled = try compare([path, "--engine", "native,native:fp32", "--precision", "bf16"] + data)
            #expect(settled.models.map(\.engine) == ["native:bf16", "native:fp32"] && settled.images == 3)
            let both = try compare([path, path, "--engine", "reference"] + data)
            #expect(both.models.map(\.engine) == ["reference", "reference"] && both.largestDifference == 0)
        }
    }

    @Test func theEngineOfEvaluationAndPredictionIsChosen() throws {
        struct Figures: Decodable { let engine: String; let loss: Double }
        try SmallRun.with { run throws in
            let path = "\(run.folder)/m.safetensors"
            try ModelFixtures.write(path, facts: ["normalization": "ask"])
            func evaluate(_ options: String...) throws -> Figures {
                let outcome = try Program.run(["evaluate", path, "--data", "\(run.folder)/data", "--json"] + options)
                #expect(outcome.status == 0, "\(outcome.errors)")
                return try outcome.json(as: Figures.self)
            }
            let plain = try evaluate()
            let half = try evaluate("--precision", "bf16")
            #expect(plain.engine == "native:fp32" && half.engine == "native:bf16")
            #expect(half.loss != plain.loss && abs(half.loss - plain.loss) < 0.05)
            #expect(try evaluate("--engine", "native:bf16").loss == half.loss)
            #expect(abs(try evaluate("--engine", "reference").loss - plain.loss) < 1e-5)
            for (options, engine) in [([], "native:fp32"), (["--precision", "bf16"], "native:bf16")] {
                let outcome = try Program.run(["predict", path, Fixture.path("images/rgb.png")] + options)
                #expect(outcome.status == 0 && outcome.errors.hasPrefix("computed by \(engine), "), "\(outcome.errors)")
            }
        }
    }

    #if TAPESTRY_LIBTORCH
    @Test func deviceThatIsNotThere() throws {
        try SmallRun.with { run throws in
            let outcome = try run.shell(
                "$tapestry validate m --data \(run.folder)/data --engine native,torch --device cuda:127")
            #expect(outcome.status == 69 && outcome.errors.contains("--device cuda"), "\(outcome.errors)")
        }
    }
    #else
    @Test(arguments: ["evaluate m", "validate m n", "validate m --engine native,torch"])
    func libtorchThatIsNotThere(command: String) throws {
        let engine = command.contains("--engine") ? "" : "--engine torch"
        let outcome = try Program.shell("$tapestry \(command) --data . \(engine)")
        #expect(outcome.status == 69 && outcome.errors.contains("./dev setup"), "\(outcome.errors)")
    }
    #endif

    /// The published networks on the real test images: bfloat16 costs them no more than 0.1 points.
    @Test(
        .enabled(
            if: environment["TAPESTRY_CHECKPOINTS"] != nil && environment["TAPESTRY_CIFAR"] != nil,
            "SKIPPED: TAPESTRY_CHECKPOINTS and TAPESTRY_CIFAR do not name the published checkpoints and real CIFAR-10"),
        arguments: ["resnet20.pt", "resnet20_ec2t_spars64.pt"])
    func publishedNetworksInBFloat16(file: String) throws {
        let path = "\(try #require(environment["TAPESTRY_CHECKPOINTS"]))/\(file)"
        let data = try #require(environment["TAPESTRY_CIFAR"])
        let comparison = try compare([
            path, "--arch", "ec2t/resnet20", "--data", data, "--dataset", "cifar10", "--engine",
            "native:fp32,native:bf16",
        ])
        #expect(comparison.images == 10_000 && comparison.models[0].top1 > 90)
        #expect(abs(comparison.models[0].top1 - comparison.models[1].top1) <= 0.1)
        #expect(comparison.agreement > 99)
    }
}
