import Foundation
import TapestryCore
import TapestryData
import TapestryRewrites

/// How well a model does on a data set: what is printed of it, and its JSON.
struct TestResult: Encodable {
    let model: String
    let engine: String
    /// In per cent.
    let top1: Double
    /// In per cent; of fewer than five classes, all.
    let top5: Double
    /// Mean cross-entropy.
    let loss: Double
    let images: Int
    /// What computing took, without the loading of images.
    let seconds: Double

    static func table(_ results: [TestResult]) -> Table {
        var table = Table(
            ("model", .left), ("engine", .left), ("top-1", .right), ("top-5", .right), ("loss", .right),
            ("images", .right), ("images/s", .right))
        for result in results {
            table.append(
                result.model, result.engine, result.top1.percent, result.top5.percent, result.loss.decimals(4),
                result.images.grouped, (Double(result.images) / max(result.seconds, 1e-9)).groupedWhole)
        }
        return table
    }
}

/// The images of a data set, prepared for networks that are shown them.
struct ModelTest {
    /// A model and what runs it.
    struct Subject {
        let path: String
        let model: Model
        let engine: Engine
    }

    let images: TestImages
    let preprocessing: Preprocessing
    let batchSize: Int
    let threads: Int

    /// Prepares images as `model`, which was read from `path`, asks for, or as the normalisation `asked` for says.
    ///
    /// Throws: `CommandFailure` where the model does not suit the images; `FormatError`, `DataError` where what its file
    /// or `asked` says of them cannot be.
    init(
        _ images: TestImages, preparedFor model: Model, path: String, asked: String?, batchSize: Int, threads: Int
    ) throws {
        let classifier = try ImageClassifier(Network(model, path: path), for: images.dataset)
        preprocessing = try model.preprocessing(
            for: images.dataset, of: images.kind, classifier: classifier, asked: asked, path: path)
        (self.images, self.batchSize, self.threads) = (images, batchSize, threads)
    }

    /// Shows all images to all `subjects`, with a progress bar. `compare` gets the logits of each batch, those of the
    /// first subject first.
    ///
    /// Throws: `CommandFailure` where logits or weights are not finite; what loading and engines throw.
    func results(
        of subjects: [Subject], title: String, compare: (_ logits: [[Double]]) -> Void = { _ in }
    ) throws -> [TestResult] {
        let count = images.dataset.count
        try noteCost(ofReferencesAmong: subjects)
        let networks = try subjects.map {
            try $0.engine.prepare($0.model, path: $0.path, batch: min(batchSize, max(1, count)), threads: threads)
        }
        var tallies = subjects.map { _ in Tally() }
        let bar = ProgressBar(title, total: count, unit: "images")
        let notes = UnreadableNotes { bar.finish() }
        let unreadable = UnreadableImages(limit: images.unreadableLimit, notice: notes.add)
        let loader = try Loader(
            images.dataset, order: Array(0..<count), preprocessing: preprocessing,
            options: .init(batchSize: batchSize, unreadable: unreadable.policy))
        defer {
            bar.finish()
            notes.conclude("left out")
        }
        while let batch = try loader.next() {
            try unreadable.add(batch.unreadable)
            if batch.count == 0 { continue }
            var logits: [[Double]] = []
            for (index, network) in networks.enumerated() {
                let start = ContinuousClock.now
                logits.append(try network.logits(of: batch))
                tallies[index].seconds += (ContinuousClock.now - start) / .seconds(1)
                if let image = tallies[index].add(logits[index], labels: batch.labels) {
                    throw try Self.notFinite(subjects[index], batch.input(at: image))
                }
            }
            compare(logits)
            bar.advance(by: batch.count)
        }
        return zip(subjects, tallies).map { $1.result(of: $0) }
    }

    /// Says so where the reference interpreter will take long.
    private func noteCost(ofReferencesAmong subjects: [Subject]) throws {
        for subject in subjects where subject.engine == .reference {
            let macs = try Count(subject.model.graph).macs
            let seconds = Double(macs) * Double(images.dataset.count) / (Self.referenceSpeed * Double(threads))
            guard seconds > 60 else { continue }
            Console.note(
                "reference: \(images.dataset.count.grouped) images may take \(ProgressBar.duration(seconds)); "
                    + "--limit-test 100 tests on fewer")
        }
    }

    /// Multiply-adds a second, of the reference interpreter on one thread, roughly.
    private static let referenceSpeed = 1e9

    /// The reference interpreter says where an image's values left the range of 32-bit floats, whichever engine's did.
    private static func notFinite(_ subject: Subject, _ image: Tensor<Double>) throws -> CommandFailure {
        let graph = subject.model.graph
        let interpreter = try ReferenceInterpreter(graph, weights: subject.model.weights)
        return CommandFailure(
            .badData,
            "\(subject.path): its logits are not finite for these images; the first layer to go wrong is "
                + "\"\(interpreter.firstNodeBeyondFloat(for: image) ?? graph.outputName)\"")
    }
}

/// Adds up what a network says of one batch after the other.
private struct Tally {
    var seconds = 0.0
    private var (images, top1, top5, loss) = (0, 0, 0, 0.0)

    /// Returns the place of the first image whose logits are not all finite, and then adds nothing of it or after it.
    mutating func add(_ logits: [Double], labels: [Int64]) -> Int? {
        let classes = logits.count / labels.count
        for (image, label) in labels.enumerated() {
            let row = logits[image * classes..<(image + 1) * classes]
            guard row.allSatisfy(\.isFinite) else { return image }
            add(row, label: Int(label))
        }
        return nil
    }

    private mutating func add(_ logits: ArraySlice<Double>, label: Int) {
        let place = logits.startIndex + label
        // Of equal classes the first counts as the likelier.
        let rank = logits.indices.count { logits[$0] > logits[place] || logits[$0] == logits[place] && $0 < place }
        let largest = logits.max() ?? 0
        loss += log(logits.reduce(0) { $0 + exp($1 - largest) }) + largest - logits[place]
        if rank == 0 { top1 += 1 }
        if rank < 5 { top5 += 1 }
        images += 1
    }

    func result(of subject: ModelTest.Subject) -> TestResult {
        let count = Double(max(images, 1))
        return TestResult(
            model: subject.path, engine: subject.engine.description, top1: 100 * Double(top1) / count,
            top5: 100 * Double(top5) / count, loss: loss / count, images: images, seconds: seconds)
    }
}
