import TapestryCore

/// Batches of a data set, made ahead by threads of its own and handed out in order.
///
/// What is random in a sample depends on the seed, the epoch and the image's index alone, so the batches are the same
/// for any number of threads. `next()` is for one thread at a time.
public final class Loader: Sendable {
    /// How batches are made of an order of images.
    public struct Options: Hashable, Sendable {
        public var batchSize: Int
        /// Whether a last batch of fewer images is left out.
        public var dropsLastBatch: Bool
        /// Where to begin, for an epoch that was interrupted.
        public var firstBatch: Int
        /// The most batches to make; nil for all that there are.
        public var batchLimit: Int?
        public var threadCount: Int
        /// The most batches made and not yet handed out.
        public var prefetchedBatches: Int
        public var unreadable: UnreadableImagePolicy

        /// Preconditions: batchSize, threadCount and prefetchedBatches are positive, firstBatch and batchLimit are not
        /// negative.
        public init(
            batchSize: Int, dropsLastBatch: Bool = false, firstBatch: Int = 0, batchLimit: Int? = nil,
            threadCount: Int = 1, prefetchedBatches: Int = 4, unreadable: UnreadableImagePolicy = .refuse
        ) {
            precondition(batchSize > 0 && threadCount > 0 && prefetchedBatches > 0)
            precondition(firstBatch >= 0 && batchLimit ?? 0 >= 0)
            self.batchSize = batchSize
            self.dropsLastBatch = dropsLastBatch
            self.firstBatch = firstBatch
            self.batchLimit = batchLimit
            self.threadCount = threadCount
            self.prefetchedBatches = prefetchedBatches
            self.unreadable = unreadable
        }
    }

    /// Batches of the whole order, those before `firstBatch` and beyond `batchLimit` included.
    public let batchCount: Int
    private let queue: BatchQueue

    /// Starts loading the images of `dataset` in `order`.
    ///
    /// Throws: `DataError` if the images cannot become batches.
    public convenience init(
        _ dataset: any ImageDataset, order: [Int], augmentation: Augmentation, seed: UInt64, epoch: Int,
        options: Options
    ) throws(DataError) {
        try self.init(
            dataset, order: order, augmentation: augmentation, seed: seed, epoch: epoch, options: options,
            replacesUnreadable: true)
    }

    private init(
        _ dataset: any ImageDataset, order: [Int], augmentation: Augmentation, seed: UInt64, epoch: Int,
        options: Options, replacesUnreadable: Bool
    ) throws(DataError) {
        let transform = try SampleTransform(
            augmentation, input: dataset.uniformSize, channels: dataset.channels)
        let maker = BatchMaker(
            dataset: dataset, order: order, transform: transform, seed: seed, epoch: epoch,
            batchSize: options.batchSize, unreadable: options.unreadable, replacesUnreadable: replacesUnreadable)
        // Without a sum that a huge batch size would overflow.
        let (whole, rest) = order.count.quotientAndRemainder(dividingBy: options.batchSize)
        batchCount = options.dropsLastBatch || rest == 0 ? whole : whole + 1
        let first = min(options.firstBatch, batchCount)
        let end = first + min(options.batchLimit ?? batchCount, batchCount - first)
        queue = BatchQueue(range: first..<end, capacity: options.prefetchedBatches)
        for _ in 0..<min(options.threadCount, queue.capacity) { queue.startThread(making: maker) }
    }

    /// Loads the images of `dataset` in `order` for evaluation.
    ///
    /// Throws: `DataError` if the images cannot become batches.
    public convenience init(
        _ dataset: any ImageDataset, order: [Int], preprocessing: Preprocessing, options: Options
    ) throws(DataError) {
        try self.init(
            dataset, order: order, augmentation: Augmentation(preprocessing), seed: 0, epoch: 0, options: options,
            replacesUnreadable: false)
    }

    deinit { cancel() }

    /// The next batch, nil after the last or after `cancel()`. In evaluation one of which nothing can be read is empty.
    ///
    /// Throws: what reading an image threw, in that image's turn.
    public func next() throws -> Batch? { try queue.next() }

    /// Stops loading and waits until the threads have ended.
    public func cancel() { queue.cancel() }
}
