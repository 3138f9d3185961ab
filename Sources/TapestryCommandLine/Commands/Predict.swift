import ArgumentParser
import Foundation
import TapestryCore
import TapestryData
import TapestryFormats

struct Predict: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Say what a model sees in image files.",
        usage: "tapestry predict MODEL IMAGE... [--top N] [--engine E] [--json]",
        discussion: """
            Images are JPEG or PNG files of any size; they are resized, cropped and normalised as the model's training \
            images were. An image that cannot be read is named on standard error, the others are classified all the \
            same, and the exit code is 65 (66 where the file is not there).

            \(EngineName.discussion)

            Examples:
              tapestry predict runs/a/best.safetensors cat.jpg
              tapestry predict runs/a/best.safetensors *.png --top 1
              tapestry predict m.safetensors cat.jpg --json | jq '.[0].predictions[0].class'
            """)

    @Argument(help: "A model file; or, with --arch, a bare checkpoint.", completion: .file())
    var model: String

    @Argument(help: "Image files.", completion: .file(extensions: ["jpg", "jpeg", "png"]))
    var images: [String]

    @Option(help: "How many classes to list for each image, the likeliest first.", transform: Positive.extent)
    var top = 5

    @OptionGroup var normalizationArguments: NormalizationArguments
    @OptionGroup(title: "Network of a bare checkpoint") var networkArguments: NetworkArguments
    @OptionGroup(title: "Computing") var engineArguments: EngineArguments

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        let engine = try engineArguments.engine(for: "predict")
        let threads = engineArguments.computing.threads.budget.count
        let classifier = try FileClassifier(
            networkArguments.model(at: model), path: model, normalization: normalizationArguments.normalize,
            engine: engine, threads: threads)
        Console.note("computed by \(engine), threads: \(threads)")
        var rows: [Row] = []
        var firstFailure: Int32?
        for path in images {
            do {
                let classes = try classifier.classes(in: path, top: top)
                rows.append(Row(image: path, predictions: classes))
            } catch let error where Self.isOfImage(error) {
                let status = CommandFailure.report(error)
                firstFailure = firstFailure ?? status
            }
        }
        if json {
            try Console.printJSON(rows)
        } else if !rows.isEmpty {
            try Console.print(Self.table(rows).text)
        }
        if let firstFailure { throw ExitCode(firstFailure) }
    }

    /// Whether what went wrong went wrong with one image file, and leaves the others to be looked at.
    private static func isOfImage(_ error: any Error) -> Bool { error is FormatError || error is InputNotFound }

    private static func table(_ rows: [Row]) -> Table {
        var table = Table(("image", .left), ("rank", .right), ("class", .left), ("probability", .right))
        for row in rows {
            for prediction in row.predictions {
                table.append(
                    prediction.rank == 1 ? row.image : "", "\(prediction.rank)", prediction.name,
                    (100 * prediction.probability).percent)
            }
        }
        return table
    }

    private struct Row: Encodable {
        let image: String
        let predictions: [FileClassifier.Prediction]
    }
}

/// A model and all that it takes to classify image files by it.
private struct FileClassifier {
    struct Prediction: Encodable {
        /// From 1.
        let rank: Int
        /// From 0.
        let index: Int
        let name: String
        /// Of all classes together 1.
        let probability: Double

        private enum CodingKeys: String, CodingKey {
            case rank, index, probability
            case name = "class"
        }
    }

    private let path: String
    private let classifier: ImageClassifier
    private let kind: DatasetKind?
    private let normalization: Normalization
    private let sizing: InputSizing
    private let names: [String]
    private let network: any PreparedNetwork

    init(_ model: Model, path: String, normalization asked: String?, engine: Engine, threads: Int) throws {
        self.path = path
        classifier = try ImageClassifier(Network(model, path: path))
        kind = model.facts["dataset"].flatMap(DatasetKind.init(rawValue:))
        guard
            let input = try model.inputPreparation(
                asked: asked, kind: kind, path: path, channels: classifier.channels)
        else {
            throw CommandFailure(
                .usage, "\(path) does not say how its images were normalised; say it by --normalize, as ask or imagenet"
            )
        }
        (normalization, sizing) = input
        names = try model.classNames(count: classifier.classes, path: path)
        network = try engine.prepare(model, path: path, threads: threads)
    }

    /// The likeliest classes of the image at `image`.
    ///
    /// Throws: `InputNotFound`, `FormatError` where the image cannot be read; `CommandFailure` where the model is unsound.
    func classes(in image: String, top: Int) throws -> [Prediction] {
        let pixels = try ImageDecoder.read(image)
        let preprocessing = Preprocessing(
            forImageOf: ImageSize(height: pixels.height, width: pixels.width), like: kind, size: classifier.imageSize,
            channels: classifier.channels, normalization: normalization, sizing: sizing)
        let input: Tensor<Float>
        do { input = try preprocessing(pixels) } catch { throw FormatError(file: image, reason: error.reason) }
        let logits = try network.logits(of: Batch(image: input))
        guard logits.allSatisfy(\.isFinite) else {
            throw CommandFailure(.badData, "\(path): its logits are not finite for \(image)")
        }
        let probabilities = Self.softmax(logits)
        // Of equal ones the first: sorting alone promises no order.
        let order = probabilities.indices.sorted {
            probabilities[$0] != probabilities[$1] ? probabilities[$0] > probabilities[$1] : $0 < $1
        }
        return order.prefix(top).enumerated().map { place, index in
            Prediction(rank: place + 1, index: index, name: names[index], probability: probabilities[index])
        }
    }

    /// Stays finite for any finite logits.
    private static func softmax(_ logits: [Double]) -> [Double] {
        let greatest = logits.max() ?? 0
        let powers = logits.map { exp($0 - greatest) }
        let sum = powers.reduce(0, +)
        return powers.map { $0 / sum }
    }
}
