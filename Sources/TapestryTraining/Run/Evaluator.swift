import Foundation
import TapestryCore
import TapestryData
import TapestryRecipes
import TapestryTorch

/// How well a network does on a data set.
public struct EvaluationResult: Equatable, Sendable {
    /// In per cent.
    public var top1: Double
    /// In per cent; of fewer than five classes, all.
    public var top5: Double
    /// Mean cross-entropy.
    public var loss: Double
    public var images: Int
    public var seconds: Double
}

/// Measures a network on a data set.
public struct Evaluator {
    private let dataset: any ImageDataset
    private let preprocessing: Preprocessing
    private let batchSize: Int
    private let precision: RunConfiguration.Precision
    private let group: ProcessGroup?
    private let unreadable: UnreadableImages?

    /// The processes of `group` share the images, and each has the result for all of them. Images that cannot be read are
    /// counted by `unreadable`, over all processes, and left out; without it, they are an error.
    ///
    /// Precondition: `batchSize > 0`.
    public init(
        _ dataset: any ImageDataset, preprocessing: Preprocessing, batchSize: Int,
        precision: RunConfiguration.Precision = .fp32, group: ProcessGroup? = nil,
        unreadable: UnreadableImages? = nil
    ) {
        self.dataset = dataset
        self.preprocessing = preprocessing
        self.batchSize = batchSize
        self.precision = precision
        self.group = group
        self.unreadable = unreadable
    }

    /// Runs all images (of this process's share) through the network in evaluation mode. `advance` is told how many are
    /// done, and may throw to end it: not in a group, whose others would wait. Throws `LossNotFinite` where a batch's loss
    /// is infinite or NaN.
    public func evaluate(
        _ network: TorchNetwork, loadingThreads: Int = 1, advance: (Int) throws -> Void = { _ in }
    ) throws -> EvaluationResult {
        let start = ContinuousClock.now
        let sampler = group?.sampler ?? Sampler()
        let loader = try Loader(
            dataset, order: sampler.evaluationOrder(count: dataset.count), preprocessing: preprocessing,
            options: .init(
                batchSize: batchSize, threadCount: loadingThreads,
                unreadable: (group == nil ? unreadable?.policy : unreadable?.sharedPolicy) ?? .refuse))
        var tally = EvaluationTally()
        do {
            while let batch = try loader.next() {
                try unreadable?.take(batch.unreadable, in: group)
                // Throwing is for all together.
                if group != nil, unreadable?.areTooMany == true { break }
                if batch.count == 0 { continue }
                let (images, labels) = try batch.tensors(on: network.device)
                try Torch.withoutGradients {
                    try tally.add(network, images: images, labels: labels, precision: precision)
                }
                try advance(tally.images)
            }
        } catch let error as LossNotFinite {
            guard let group else { throw error }
            try tally.join(group, found: error, in: network.graph)
        }
        if let group {
            try tally.join(group, found: nil, in: network.graph)
            try unreadable?.exchange(in: group)
        }
        return tally.result(seconds: (ContinuousClock.now - start).seconds)
    }
}

/// Adds up what a network says of one batch after the other.
private struct EvaluationTally {
    private(set) var images = 0
    private var (top1, top5, loss) = (0.0, 0.0, 0.0)

    /// Throws `LossNotFinite`.
    mutating func add(
        _ network: TorchNetwork, images batch: TorchTensor, labels: TorchTensor, precision: RunConfiguration.Precision
    ) throws {
        let logits = try network.logits(of: batch, mode: .evaluation, precision: precision)
        let ranked = try logits.topK(min(5, logits.shape[1])).indices
        let hits = try ranked.equal(to: try labels.reshaped(to: [-1, 1]))
        top5 += try hits.sum().item()
        top1 += try hits.narrow(along: 1, start: 0, length: 1).sum().item()
        let loss = try logits.crossEntropy(targets: labels, reduction: .sum).item()
        guard loss.isFinite else {
            throw LossNotFinite(
                node: try network.firstNonFiniteNode(for: batch, mode: .evaluation) ?? network.graph.outputName)
        }
        self.loss += loss
        images += logits.shape[0]
    }

    /// Adds the tallies of all processes, which then all have the sum. Throws `LossNotFinite` where one has found that.
    mutating func join(_ group: ProcessGroup, found: LossNotFinite?, in graph: Graph) throws {
        let sums = try group.reduced([top1, top5, found == nil ? loss : .nan, Double(images)])
        guard sums[2].isFinite else { throw LossNotFinite(node: try group.first(found?.node, in: graph)) }
        (top1, top5, loss, images) = (sums[0], sums[1], sums[2], Int(sums[3]))
    }

    func result(seconds: Double) -> EvaluationResult {
        let count = Double(max(images, 1))
        return EvaluationResult(
            top1: 100 * top1 / count, top5: 100 * top5 / count, loss: loss / count, images: images, seconds: seconds)
    }
}

/// A loss is infinite or NaN: of training, before anything was moved by it, or of evaluation.
public struct LossNotFinite: Error, Equatable, Sendable, CustomStringConvertible {
    /// The first node whose parameters or value are not finite.
    public let node: String

    public var description: String { "the loss is not finite; the first layer to go wrong is \"\(node)\"" }
}

extension TorchNetwork {
    /// Float32 logits, computed in the precision.
    package func logits(
        of images: TorchTensor, mode: Mode, precision: RunConfiguration.Precision
    ) throws -> TorchTensor {
        // The whole process's: what goes back computes as what went forward.
        if device != .cpu { try TorchRuntime.setAllowsTF32(precision == .tf32) }
        return switch precision {
        case .fp32, .tf32: try logits(of: images, mode: mode)
        case .bf16: try Torch.withAutocast(on: device) { try logits(of: images, mode: mode) }.to(as: .float32)
        }
    }
}

extension Batch {
    /// The images as N x C x H x W, channels last in memory.
    package func imageTensor(on device: Device) throws(TorchError) -> TorchTensor {
        let shape: Shape = [count, channels, height, width]
        let strides = [height * width * channels, 1, width * channels, channels]
        var made: Result<TorchTensor, TorchError>?
        images.withUnsafeBytes { bytes in
            made = Result { () throws(TorchError) in
                try TorchTensor(
                    bytes: bytes, of: .float32, shape: shape, strides: strides, on: device, memoryFormat: .channelsLast)
            }
        }
        return try made!.get()
    }

    /// The images, and the labels.
    func tensors(on device: Device) throws(TorchError) -> (images: TorchTensor, labels: TorchTensor) {
        (try imageTensor(on: device), try TorchTensor(Tensor(shape: [count], elements: labels), on: device))
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
