import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTestSupport
import TapestryTorch
import TapestryTraining
import Testing

/// Batches that a device makes, here the CPU, beside those of the loader: equal to the bit.
@Suite(.serialized) struct DeviceBatchesTests {
    private static func dataset(_ stream: inout RandomStream, channels: Int) -> InMemoryDataset {
        let (count, height, width) = (23, stream.integer(in: 6...9), stream.integer(in: 6...9))
        return InMemoryDataset(
            LabelledImages(
                height: height, width: width, channels: channels,
                pixels: (0..<count * height * width * channels).map { _ in UInt8(stream.integer(below: 256)) },
                labels: (0..<count).map { UInt8($0 % 3) }, classNames: ["a", "b", "c"]))
    }

    @Test func theyAreTheLoaders() throws {
        try RandomRounds.run(40) { stream in
            let channels = stream.chance(0.5) ? 3 : 1
            let dataset = Self.dataset(&stream, channels: channels)
            let size = ImageSize(height: stream.integer(in: 4...8), width: stream.integer(in: 4...8))
            let crop = AugmentationStep.padAndCrop(padding: 2, size: size)
            let flip = AugmentationStep.horizontalFlip(probability: 0.5)
            let steps = [
                [crop, flip], [flip, crop], [crop], [.preprocessing(.centerCrop(size)), flip, crop],
                [crop, flip, crop],
            ]
            let augmentation = Augmentation(
                steps[stream.integer(below: steps.count)],
                normalization: try Normalization.preset("acnet", channels: channels),
                cutout: stream.chance(0.5) ? stream.integer(in: 1...5) : nil)
            let order = stream.permutation(of: dataset.count)
            let loader = try Loader(
                dataset, order: order, augmentation: augmentation, seed: 7, epoch: 3, options: .init(batchSize: 10))
            let made = try #require(try DeviceBatches(dataset, augmentation: augmentation, on: .cpu))
            for start in stride(from: 0, to: order.count, by: 10) {
                let batch = try #require(try loader.next())
                let indices = Array(order[start...].prefix(10))
                let (images, labels) = try made.tensors(at: indices, seed: 7, epoch: 3)
                #expect(images.isContiguous(.channelsLast))
                #expect(try images.host().elements == (0..<batch.count).flatMap { batch.image(at: $0).elements })
                #expect(try labels.host(Int64.self).elements == batch.labels)
            }
        }
    }

    @Test func newPixelsAreLeftToTheLoader() throws {
        var stream = RandomStream(seed: 1, purpose: .test)
        let normalization = try Normalization.preset("acnet", channels: 3)
        let resized = Augmentation(
            [.randomResizedCrop(size: ImageSize(height: 4, width: 4))], normalization: normalization)
        #expect(
            try DeviceBatches(Self.dataset(&stream, channels: 3), augmentation: resized, on: .cpu) == nil)
    }
}
