import Glibc
import TapestryCore
import TapestryFormats

/// Makes any batch of an epoch.
struct BatchMaker: Sendable {
    let dataset: any ImageDataset
    let order: [Int]
    let transform: SampleTransform
    let seed: UInt64
    let epoch: Int
    let batchSize: Int
    /// Whose share of each batch is made.
    let sampler: Sampler
    let unreadable: UnreadableImagePolicy
    let replacesUnreadable: Bool

    func batch(_ number: Int) throws -> Batch {
        let whole = order[(number * batchSize)...].prefix(batchSize).indices
        let indices = order[sampler.share(of: whole)]
        let size = transform.elementCount
        var labels: [Int64] = []
        var unreadable: [UnreadableImage] = []
        let images = try [Float](unsafeUninitializedCapacity: indices.count * size) { buffer, initialized in
            HugePages.advise(for: UnsafeRawBufferPointer(buffer))
            for index in indices {
                let place = buffer.baseAddress! + labels.count * size
                guard let shown = try show(index, at: place, &unreadable) else {
                    if self.unreadable.isExceeded(by: unreadable) { break }
                    continue
                }
                labels.append(Int64(dataset.label(at: shown)))
            }
            initialized = labels.count * size
        }
        return Batch(
            images: images, count: labels.count, height: transform.size.height, width: transform.size.width,
            channels: transform.channels, labels: labels, unreadable: unreadable, firstIndex: indices.startIndex,
            wholeCount: whole.count)
    }

    /// Writes the sample of the image at `index`, or of the one that takes its place. Returns the index of the one that is
    /// shown, nil for none, and appends those that cannot be read. That they are too many is for whoever counts them.
    private func show(
        _ index: Int, at output: UnsafeMutablePointer<Float>, _ unreadable: inout [UnreadableImage]
    ) throws -> Int? {
        guard case .skip(let limit) = self.unreadable else {
            try write(index, named: index, to: output)
            return index
        }
        let lastStep = min(limit, dataset.count - 1)
        for step in 0...lastStep {
            let candidate = (index + step) % dataset.count
            do {
                // As the sample of the image that it stands for, it is another one than where it has its own turn.
                try write(candidate, named: index, to: output)
                return candidate
            } catch {
                guard let image = UnreadableImage(error) else { throw error }
                unreadable.append(image)
                if !replacesUnreadable || step == limit { return nil }
                if step == lastStep {
                    throw FormatError(file: image.file, reason: "\(image.reason); nor can any other image be read")
                }
            }
        }
        return nil
    }

    /// Writes the sample of the image at `index`, drawing what is random as for the image at `name`.
    private func write(_ index: Int, named name: Int, to output: UnsafeMutablePointer<Float>) throws {
        var random = RandomStream(seed: seed, purpose: .augmentation, UInt64(epoch), UInt64(name))
        var sample: SampleTransform.BegunSample?
        try dataset.withPixels(
            at: index,
            choosing: { image in
                let begun = try transform.begin(image, using: &random)
                sample = begun
                return begun.region
            }
        ) { view in
            try transform.finish(sample!, with: view, using: &random, output: output)
        }
    }
}

/// Memory in pages of megabytes.
private enum HugePages {
    /// Asks for such pages for as much of new memory as they fit in: the system then hands out a batch's memory in tens
    /// of pieces, where else it takes about as long to hand out thousands as to resize the images.
    static func advise(for memory: UnsafeRawBufferPointer) {
        guard let start = memory.baseAddress else { return }
        let first = (Int(bitPattern: start) + size - 1) / size * size
        let end = (Int(bitPattern: start) + memory.count) / size * size
        // Where the system has none, small ones do.
        if first < end { madvise(UnsafeMutableRawPointer(bitPattern: first), end - first, MADV_HUGEPAGE) }
    }

    private static let size = 2 << 20
}
