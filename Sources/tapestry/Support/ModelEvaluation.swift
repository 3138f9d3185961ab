import Foundation
import TapestryCore
import TapestryData
import TapestryRuntime

/// How well a network does on a data set: shares in per cent, the mean cross-entropy, and the time that it took.
struct EvaluationFigures {
    var top1: Double
    /// Of fewer than five classes, all.
    var top5: Double
    var loss: Double
    var images: Int
    var seconds: Double
}

/// What measures models on data sets.
protocol ModelEvaluation {
    /// Runs all images through the model at `path`; `advance` is told how many are done.
    ///
    /// Throws: `CommandFailure` where logits are not finite; what loading and `advance` throw.
    func evaluate(
        _ model: Model, path: String, on dataset: any ImageDataset, preprocessing: Preprocessing,
        advance: (Int) throws -> Void
    ) throws -> EvaluationFigures
}

extension CommandFailure {
    static func logitsNotFinite(_ path: String, node: String) -> CommandFailure {
        CommandFailure(
            .badData,
            "\(path): its logits are not finite for these images; the first layer to go wrong is \"\(node)\"")
    }
}

/// Evaluation by Tapestry's own kernels.
struct NativeEvaluation: ModelEvaluation {
    let batchSize: Int
    let threads: Int

    func evaluate(
        _ model: Model, path: String, on dataset: any ImageDataset, preprocessing: Preprocessing,
        advance: (Int) throws -> Void
    ) throws -> EvaluationFigures {
        let frozen = try model.runnable(path: path)
        let network = try NativeNetwork(frozen, batch: min(batchSize, max(1, dataset.count)), threads: threads)
        let start = ContinuousClock.now
        let loader = try Loader(
            dataset, order: Array(0..<dataset.count), preprocessing: preprocessing,
            options: .init(batchSize: batchSize))
        let classes = network.outputShape.count
        var logits = [Float](repeating: 0, count: batchSize * classes)
        var tally = Tally()
        while let batch = try loader.next() {
            batch.images.withUnsafeBufferPointer { images in
                logits.withUnsafeMutableBufferPointer {
                    network.run(images, count: batch.count, order: .channelsLast, into: $0)
                }
            }
            for (index, label) in batch.labels.enumerated() {
                tally.add(logits[index * classes..<(index + 1) * classes], label: Int(label))
            }
            guard tally.loss.isFinite else {
                throw CommandFailure.logitsNotFinite(path, node: try firstNode(beyondFloatIn: frozen, for: batch))
            }
            try advance(tally.images)
        }
        return tally.figures(seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    private func firstNode(beyondFloatIn frozen: FrozenModel, for batch: Batch) throws -> String {
        let area = batch.height * batch.width
        for image in 0..<batch.count {
            let pixels = (0..<batch.channels * area).map { place in
                Double(batch.images[(image * area + place % area) * batch.channels + place / area])
            }
            let images = Tensor(shape: [1, batch.channels, batch.height, batch.width], elements: pixels)
            let interpreter = try ReferenceInterpreter(frozen.graph, weights: frozen.weights)
            if let node = interpreter.firstNodeBeyondFloat(for: images) { return node }
        }
        return frozen.graph.outputName
    }

    /// Adds up what a network says of one image after the other.
    private struct Tally {
        private(set) var images = 0
        private(set) var loss = 0.0
        private var (top1, top5) = (0, 0)

        mutating func add(_ logits: ArraySlice<Float>, label: Int) {
            let own = logits[logits.startIndex + label]
            // Of equal classes the first counts as the likelier.
            let rank = logits.indices.count { index in
                logits[index] > own || logits[index] == own && index < logits.startIndex + label
            }
            let largest = Double(logits.max() ?? 0)
            loss += log(logits.reduce(0) { $0 + exp(Double($1) - largest) }) + largest - Double(own)
            if rank == 0 { top1 += 1 }
            if rank < 5 { top5 += 1 }
            images += 1
        }

        func figures(seconds: Double) -> EvaluationFigures {
            let count = Double(max(images, 1))
            return EvaluationFigures(
                top1: 100 * Double(top1) / count, top5: 100 * Double(top5) / count, loss: loss / count, images: images,
                seconds: seconds)
        }
    }
}
