import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryTestSupport
import Testing

@Suite("tapestry predict") struct PredictTests {
    private struct Row: Decodable {
        struct Prediction: Decodable {
            let rank, index: Int
            let name: String
            let probability: Double

            enum CodingKeys: String, CodingKey {
                case rank, index, probability
                case name = "class"
            }
        }

        let image: String
        let predictions: [Prediction]
    }

    private static let image = Fixture.path("images/rgb.png")
    private static let facts = [
        "dataset": "cifar10", "normalization": "ask",
        NameList.classNames.key: NameList.classNames.text((0..<10).map { "name\($0)" }),
    ]

    private func withModel(facts: [String: String] = facts, _ body: (String) throws -> Void) throws {
        try TemporaryFolder.with { folder throws in
            let path = "\(folder)/model.safetensors"
            try ModelFixtures.write(path, facts: facts)
            try body(path)
        }
    }

    /// Whatever computes, the probabilities are those of the reference interpreter.
    @Test(arguments: [("cifar10", "ask"), ("folder", "imagenet")])
    func probabilitiesEqualTheInterpreters(dataset: String, normalization: String) throws {
        try withModel(facts: ["dataset": dataset, "normalization": normalization]) { path throws in
            let outcome = try Program.run("predict", path, Self.image, "--top", "10", "--json")
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.errorLines.count == 1 && outcome.errors.hasPrefix("computed by "))
            let rows = try outcome.json(as: [Row].self)
            #expect(rows.map(\.image) == [Self.image])

            let model = try ModelFile.read(path)
            let preprocessing = Preprocessing(
                forImageOf: ImageSize(height: 13, width: 19), like: DatasetKind(rawValue: dataset), size: 32,
                channels: 3, normalization: try Normalization.preset(normalization, channels: 3))
            let input = try preprocessing(try ImageDecoder.read(Self.image))
            let logits = try ReferenceInterpreter(model.graph, weights: model.weights)(
                input.reshaped(to: [1, 3, 32, 32]).map(Double.init)
            ).elements
            let sum = logits.reduce(0) { $0 + exp($1) }
            let predictions = rows[0].predictions
            #expect(Set(predictions.map(\.index)) == Set(0..<10) && predictions.map(\.rank) == Array(1...10))
            for prediction in predictions {
                #expect(abs(prediction.probability - exp(logits[prediction.index]) / sum) < 1e-4)
                #expect(prediction.name == "class \(prediction.index)")
            }
            #expect(zip(predictions, predictions.dropFirst()).allSatisfy { $0.probability >= $1.probability })
        }
    }

    @Test func tableNamesTheClasses() throws {
        try withModel { path throws in
            let grey = Fixture.path("images/grey.jpg")
            let outcome = try Program.run("predict", path, Self.image, grey, "--top", "2")
            #expect(outcome.status == 0, "\(outcome.errors)")
            let lines = outcome.output.split(separator: "\n")
            #expect(lines.count == 2 + 4)
            #expect(lines[2].hasPrefix("\(Self.image) ") && lines[2].contains("   1  name"))
            #expect(lines[3].hasPrefix("  ") && lines[3].contains("   2  name"))
            #expect(lines[4].hasPrefix("\(grey) ") && lines[4].hasSuffix(" %"))
            // By default five classes, and never more than there are.
            for (top, count) in [([], 5), (["--top", "100"], 10)] {
                let all = try Program.shell("\"$tapestry\" predict \(path) \(Self.image) \(top.joined(separator: " "))")
                #expect(all.output.split(separator: "\n").count == 2 + count)
            }
        }
    }

    @Test func equalScoresKeepTheOrderOfTheClasses() throws {
        try TemporaryFolder.with { folder throws in
            let path = "\(folder)/equal.safetensors"
            try ModelFixtures.write(path, facts: Self.facts) { weights in
                for name in ["fc.weight", "fc.bias", "linear.weight", "linear.bias"] {
                    guard let old = weights.tensors[name] else { continue }
                    weights.tensors[name] = Tensor(shape: old.shape, repeating: 0)
                }
            }
            let rows = try Program.run("predict", path, Self.image, "--json").json(as: [Row].self)
            #expect(rows[0].predictions.map(\.index) == [0, 1, 2, 3, 4])
            #expect(rows[0].predictions.allSatisfy { abs($0.probability - 0.1) < 1e-12 })
        }
    }

    @Test(arguments: ["", "--json"]) func imagesThatCannotBeReadHideNoOthers(json: String) throws {
        try withModel { path throws in
            let folder = URL(filePath: path).deletingLastPathComponent().path()
            try AtomicFile.write("GIF89a", to: "\(folder)/a.gif")
            try AtomicFile.write(Array(try Fixture.bytes("images/rgb.png").dropLast(20)), to: "\(folder)/cut.png")
            let outcome = try Program.shell(
                "cd \(folder) && \"$tapestry\" predict model.safetensors a.gif \(Self.image) cut.png none.png \(json)")
            #expect(outcome.status == 65)
            let lines = outcome.errorLines
            #expect(lines.count == 4, "\(outcome.errors)")
            #expect(lines[1].hasPrefix("tapestry: a.gif: ") && lines[1].contains("JPEG or PNG image, found a GIF"))
            #expect(lines[2].hasPrefix("tapestry: cut.png: ") && lines[3].hasPrefix("tapestry: none.png: "))
            if json.isEmpty {
                #expect(outcome.output.split(separator: "\n").count == 2 + 5)
            } else {
                #expect(try outcome.json(as: [Row].self).map(\.image) == [Self.image])
            }
            let none = try Program.run("predict", path, "\(folder)/none.png")
            #expect(none.status == 66 && none.output.isEmpty && none.errorLines.count == 2)
        }
    }

    @Test(
        arguments: [
            ([:], 64, "--normalize"), (["normalization": "mine"], 65, "mine"),
            (["normalization": "fashion-mnist"], 65, "3 channels"),
            (["normalization": "none", "class-names": "[1]"], 65, "class-names"),
            (
                ["normalization": "none", "class-names": NameList.classNames.text((0..<11).map { "\($0)" })], 65,
                "11 classes"
            ),
        ] as [([String: String], Int32, String)])
    func factsThatDoNotServe(facts: [String: String], status: Int32, word: String) throws {
        try withModel(facts: facts) { path throws in
            let outcome = try Program.run("predict", path, Self.image)
            #expect(outcome.status == status && outcome.output.isEmpty && outcome.errorLines.count == 1)
            #expect(outcome.errors.contains(path) && outcome.errors.contains(word), "\(outcome.errors)")
        }
    }

    @Test func normalizationCanBeSaid() throws {
        try withModel(facts: [:]) { path throws in
            let outcome = try Program.run("predict", path, Self.image, "--normalize", "imagenet")
            #expect(outcome.status == 0 && outcome.output.contains("class "), "\(outcome.errors)")
        }
    }

    @Test func logitsThatAreNotFinite() throws {
        try TemporaryFolder.with { folder throws in
            let path = "\(folder)/nan.safetensors"
            try ModelFixtures.write(path, facts: Self.facts) { weights in
                guard let old = weights.tensors["conv1.weight"] else { return }
                weights.tensors["conv1.weight"] = Tensor(shape: old.shape, repeating: .nan)
            }
            let outcome = try Program.run("predict", path, Self.image)
            #expect(outcome.status == 65 && outcome.output.isEmpty)
            #expect(outcome.errors.contains("\(path): node \"conv1\": its weights are not finite"))
        }
    }

    @Test func networksThatClassifyNothing() throws {
        try TemporaryFolder.with { folder throws in
            let path = "\(folder)/images.safetensors"
            try ModelFixtures.write(
                Graph.build(input: [3, 32, 32]) { $0.convolution("c", to: 10, kernel: 3) }, to: path,
                facts: Self.facts)
            let outcome = try Program.run("predict", path, Self.image)
            #expect(outcome.status == 65 && outcome.errorLines.count == 1)
            #expect(outcome.errors.contains("\(path): tells no classes apart"), "\(outcome.errors)")
        }
    }
}
