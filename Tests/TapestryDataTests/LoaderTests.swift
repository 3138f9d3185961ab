import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTestSupport
import Testing

/// Images whose pixels are their index, some of which may be damaged.
private struct NumberedDataset: ImageDataset {
    let count: Int
    var damaged: Set<Int> = []

    var classNames: [String] { ["even", "odd"] }
    var channels: Int { 1 }
    var uniformSize: ImageSize? { ImageSize(height: 2, width: 2) }

    func label(at index: Int) -> Int { index % 2 }

    func image(at index: Int) throws -> PixelImage {
        if damaged.contains(index) { throw FormatError(file: "image-\(index).png", reason: "expected a whole image") }
        return PixelImage(height: 2, width: 2, channels: 1, pixels: [UInt8](repeating: UInt8(index), count: 4))
    }
}

@Suite struct LoaderTests {
    private func batches(
        _ dataset: any ImageDataset, order: [Int], steps: [AugmentationStep] = [], epoch: Int = 0,
        options: Loader.Options
    ) throws -> [Batch] {
        let augmentation = Augmentation(steps, normalization: identity(channels: dataset.channels))
        let loader = try Loader(
            dataset, order: order, augmentation: augmentation, seed: 5, epoch: epoch, options: options)
        var batches: [Batch] = []
        while let batch = try loader.next() { batches.append(batch) }
        return batches
    }

    @Test func batchesFollowTheOrder() throws {
        let order = [4, 2, 0, 1, 3]
        let all = try batches(NumberedDataset(count: 5), order: order, options: .init(batchSize: 2, threadCount: 3))
        #expect(all.map(\.count) == [2, 2, 1])
        #expect(all.map(\.firstIndex) == [0, 2, 4])
        #expect(all.map(\.labels) == [[0, 0], [0, 1], [1]])
        let firstPixels = all.flatMap { batch in (0..<batch.count).map { batch.images[4 * $0].rounded() } }
        #expect(firstPixels == [4, 2, 0, 1, 3])
        let dropped = try batches(
            NumberedDataset(count: 5), order: order, options: .init(batchSize: 2, dropsLastBatch: true))
        #expect(dropped.map(\.count) == [2, 2])
    }

    @Test(arguments: [true, false]) func aBatchMayBeLargerThanAnyDataSet(drops: Bool) throws {
        let all = try batches(
            NumberedDataset(count: 5), order: [0, 1, 2], options: .init(batchSize: .max, dropsLastBatch: drops))
        #expect(all.map(\.count) == (drops ? [] : [3]))
    }

    @Test func anyNumberOfThreadsGivesTheSameBatches() throws {
        let pixels = (0..<40 * 108).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let dataset = InMemoryDataset(
            LabelledImages(
                height: 6, width: 6, channels: 3, pixels: pixels, labels: [UInt8](repeating: 0, count: 40),
                classNames: ["a"]))
        let steps: [AugmentationStep] = [
            .padAndCrop(padding: 2, size: ImageSize(height: 6, width: 6)), .horizontalFlip(),
            .colorJitter(ColorJitter(brightness: 0.5, hue: 0.2)),
            .randomResizedCrop(size: ImageSize(height: 5, width: 4)),
        ]
        let order = Sampler().trainingOrder(count: 40, seed: 5, epoch: 1)
        let single = try batches(dataset, order: order, steps: steps, epoch: 1, options: .init(batchSize: 7))
        for threads in [2, 4] {
            let options = Loader.Options(batchSize: 7, threadCount: threads, prefetchedBatches: threads)
            #expect(try batches(dataset, order: order, steps: steps, epoch: 1, options: options) == single)
        }
        let resumed = try batches(
            dataset, order: order, steps: steps, epoch: 1, options: .init(batchSize: 7, firstBatch: 4))
        #expect(resumed == Array(single[4...]))
        let middle = Loader.Options(batchSize: 7, firstBatch: 1, batchLimit: 3, threadCount: 2)
        #expect(try batches(dataset, order: order, steps: steps, epoch: 1, options: middle) == Array(single[1..<4]))
        let beyond = Loader.Options(batchSize: 7, firstBatch: 4, batchLimit: .max)
        #expect(try batches(dataset, order: order, steps: steps, epoch: 1, options: beyond) == Array(single[4...]))
        #expect(try batches(dataset, order: order, steps: steps, epoch: 2, options: .init(batchSize: 7)) != single)
    }

    @Test(arguments: [1, 4])
    func errorsArriveInTheirTurn(threads: Int) throws {
        let loader = try Loader(
            NumberedDataset(count: 40, damaged: [21]), order: Array(0..<40),
            augmentation: Augmentation(normalization: identity(channels: 1)), seed: 0, epoch: 0,
            options: .init(batchSize: 4, threadCount: threads))
        for number in 0..<5 { #expect(try loader.next()?.firstIndex == number * 4) }
        #expect(throws: FormatError(file: "image-21.png", reason: "expected a whole image")) { try loader.next() }
        #expect(try loader.next() == nil)
    }

    @Test func cancelledLoadersEndTheirThreads() throws {
        for _ in 0..<200 {
            let loader = try Loader(
                NumberedDataset(count: 100), order: Array(0..<100),
                augmentation: Augmentation(normalization: identity(channels: 1)), seed: 0, epoch: 0,
                options: .init(batchSize: 1, threadCount: 4))
            _ = try loader.next()
            loader.cancel()
            #expect(try loader.next() == nil)
        }
    }

    /// What processes load together is what one loads, pixel by pixel.
    @Test func sharesMakeTheBatch() throws {
        let pixels = (0..<11 * 108).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let dataset = InMemoryDataset(
            LabelledImages(
                height: 6, width: 6, channels: 3, pixels: pixels, labels: (0..<11).map { $0 },
                classNames: (0..<11).map { "\($0)" }))
        let steps: [AugmentationStep] = [
            .padAndCrop(padding: 2, size: ImageSize(height: 6, width: 6)), .horizontalFlip(),
        ]
        let order = Sampler().trainingOrder(count: 11, seed: 5, epoch: 1)
        let whole = try batches(dataset, order: order, steps: steps, epoch: 1, options: .init(batchSize: 5))
        let shares = try (0..<3).map { rank in
            try batches(
                dataset, order: order, steps: steps, epoch: 1,
                options: .init(batchSize: 5, sampler: Sampler(rank: rank, worldSize: 3)))
        }
        #expect(whole.map(\.count) == [5, 5, 1])
        #expect(shares.map { $0.map(\.count) } == [[2, 2, 1], [2, 2, 0], [1, 1, 0]])
        for (number, batch) in whole.enumerated() {
            let parts = shares.map { $0[number] }
            #expect(parts.flatMap(\.images) == batch.images)
            #expect(parts.flatMap(\.labels) == batch.labels)
            #expect(parts.allSatisfy { $0.wholeCount == batch.count })
        }
    }

    @Test func anEmptyOrderHasNoBatches() throws {
        #expect(try batches(NumberedDataset(count: 5), order: [], options: .init(batchSize: 2)) == [])
        #expect(try batches(NumberedDataset(count: 5), order: [1], options: .init(batchSize: 2, firstBatch: 9)) == [])
    }
}

@Suite("Images that cannot be read") struct UnreadableImageTests {
    private let dataset = NumberedDataset(count: 12, damaged: [3, 4, 11])
    private let order = [5, 3, 0, 4, 11, 2, 1, 3]

    private func batches(
        _ dataset: any ImageDataset, training: Bool, limit: Int, threads: Int = 1, batchSize: Int = 2
    ) throws -> [Batch] {
        let options = Loader.Options(batchSize: batchSize, threadCount: threads, unreadable: .skip(limit: limit))
        let loader =
            training
            ? try Loader(
                dataset, order: order, augmentation: Augmentation(normalization: identity(channels: 1)), seed: 0,
                epoch: 0, options: options)
            : try Loader(
                dataset, order: order, preprocessing: Preprocessing(normalization: identity(channels: 1)),
                options: options)
        let unreadable = UnreadableImages(limit: limit)
        var batches: [Batch] = []
        while let batch = try loader.next() {
            try unreadable.add(batch.unreadable)
            batches.append(batch)
        }
        return batches
    }

    private func shown(_ batches: [Batch]) -> [[Int]] {
        batches.map { batch in (0..<batch.count).map { Int(batch.images[4 * $0].rounded()) } }
    }

    @Test(arguments: [1, 3]) func inTrainingTheNextImageTakesTheirPlace(threads: Int) throws {
        let all = try batches(dataset, training: true, limit: 3, threads: threads)
        #expect(shown(all) == [[5, 5], [0, 5], [0, 2], [1, 5]])
        #expect(all.map(\.labels) == [[1, 1], [0, 1], [0, 0], [1, 1]])
        let files = all.map { $0.unreadable.map(\.file) }
        #expect(
            files == [
                ["image-3.png", "image-4.png"], ["image-4.png"], ["image-11.png"], ["image-3.png", "image-4.png"],
            ])
    }

    @Test(arguments: [1, 3]) func inEvaluationTheyAreLeftOut(threads: Int) throws {
        let all = try batches(dataset, training: false, limit: 3, threads: threads)
        #expect(shown(all) == [[5], [0], [2], [1]])
        #expect(all.map(\.labels) == [[1], [0], [0], [1]])
        let none = try batches(NumberedDataset(count: 12, damaged: [3, 5]), training: false, limit: 3)
        #expect(none.map(\.count) == [0, 2, 2, 1])
        #expect(none[0].images.isEmpty && none[0].unreadable.count == 2)
    }

    @Test(arguments: [true, false]) func moreThanTheLimitAreAnError(training: Bool) throws {
        let error = #expect(throws: FormatError.self) { try batches(dataset, training: training, limit: 2, threads: 3) }
        #expect(error?.file == "image-11.png")
        #expect(error?.reason == "expected a whole image; more images cannot be read than the limit of 2")
        let first = #expect(throws: FormatError.self) { try batches(dataset, training: training, limit: 0) }
        #expect(first == FormatError(file: "image-3.png", reason: "expected a whole image"))
    }

    @Test func aDataSetOfWhichNothingCanBeReadIsAnError() throws {
        let error = #expect(throws: FormatError.self) {
            try batches(NumberedDataset(count: 12, damaged: Set(0..<12)), training: true, limit: 100)
        }
        #expect(error?.reason.contains("nor can any other image be read") == true)
    }

    @Test func eachIsCountedAndToldOnce() throws {
        var told: [String] = []
        let unreadable = UnreadableImages(limit: 3) { told.append($0.file) }
        for batch in try batches(dataset, training: true, limit: 3) { try unreadable.add(batch.unreadable) }
        #expect(told == ["image-3.png", "image-4.png", "image-11.png"])
        #expect(unreadable.count == 3)
    }

    /// As several processes do, which count together what each has kept.
    @Test func whatIsKeptIsCountedLater() throws {
        let unreadable = UnreadableImages(limit: 2)
        let found = try batches(dataset, training: true, limit: 3).map(\.unreadable)
        unreadable.keep(found[0])
        unreadable.keep(found[1])
        #expect(unreadable.kept == found[0] && unreadable.count == 0 && !unreadable.areTooMany)
        try unreadable.add(unreadable.kept)
        #expect(unreadable.kept.isEmpty && unreadable.count == 2)
        unreadable.keep(found[2] + found[3])
        #expect(unreadable.kept.map(\.file) == ["image-11.png"] && unreadable.areTooMany)
        #expect(throws: FormatError.self) { try unreadable.add(unreadable.kept) }
    }

    /// Whoever shares the work hears of images beyond the limit, and needs no more of the batch.
    @Test(arguments: [true, false]) func aBatchWithTooManyIsHandedOut(training: Bool) throws {
        let images = NumberedDataset(count: 12, damaged: Set(0..<11))
        let options = Loader.Options(batchSize: 8, unreadable: UnreadableImages(limit: 2).sharedPolicy)
        let loader =
            training
            ? try Loader(
                images, order: order, augmentation: Augmentation(normalization: identity(channels: 1)), seed: 0,
                epoch: 0, options: options)
            : try Loader(
                images, order: order, preprocessing: Preprocessing(normalization: identity(channels: 1)),
                options: options)
        let batch = try #require(try loader.next())
        #expect(batch.count == 0 && batch.unreadable.count == 3)
    }
}

@Suite struct SamplerTests {
    @Test func anEpochIsAPermutationOfItsOwn() {
        let first = Sampler().trainingOrder(count: 100, seed: 1, epoch: 0)
        #expect(first.sorted() == Array(0..<100))
        #expect(Sampler().trainingOrder(count: 100, seed: 1, epoch: 0) == first)
        #expect(Sampler().trainingOrder(count: 100, seed: 1, epoch: 1) != first)
        #expect(Sampler().trainingOrder(count: 100, seed: 2, epoch: 0) != first)
        #expect(Sampler().trainingOrder(count: 0, seed: 2, epoch: 0) == [])
    }

    @Test func theOrderIsThatOfOneProcess() {
        let whole = Sampler().trainingOrder(count: 10, seed: 1, epoch: 0)
        #expect(Sampler(rank: 2, worldSize: 4).trainingOrder(count: 10, seed: 1, epoch: 0) == whole)
    }

    @Test func ranksShareABatch() {
        func shares(_ batch: Range<Int>, _ count: Int) -> [Range<Int>] {
            (0..<count).map { Sampler(rank: $0, worldSize: count).share(of: batch) }
        }
        #expect(shares(20..<28, 1) == [20..<28])
        #expect(shares(20..<28, 4) == [20..<22, 22..<24, 24..<26, 26..<28])
        #expect(shares(20..<30, 4) == [20..<23, 23..<26, 26..<28, 28..<30])
        #expect(shares(20..<21, 3) == [20..<21, 21..<21, 21..<21])
    }

    @Test func evaluationSeesEachImageOnce() {
        let shards = (0..<3).map { Sampler(rank: $0, worldSize: 3).evaluationOrder(count: 10) }
        #expect(shards == [[0, 3, 6, 9], [1, 4, 7], [2, 5, 8]])
    }
}
