import ArgumentParser
import TapestryCore
import TapestryData
import TapestryFormats

/// Loads the training images of a folder as training on ImageNet does, and prints how fast: what `torchvision_loading.py`
/// beside it does with torchvision and Pillow.
///
/// An image is decoded; a random part of it is resized to 224x224 pixels, mirrored or not, and normalised. One pass warms
/// up. Output: `{"images_per_second": …}`, of the fastest of the passes after it.
@main
struct LoadingImages: ParsableCommand {
    @Argument var folder: String
    @Option var threads = 1
    @Option var passes = 3
    @Option var batchSize = 64

    func run() throws {
        let dataset = try DatasetKind.open(.folder, directory: folder, split: .train).dataset
        let augmentation = Augmentation(
            [.randomResizedCrop(size: ImageSize(height: 224, width: 224)), .horizontalFlip()],
            normalization: try Normalization.preset("imagenet", channels: 3))
        var fastest = 0.0
        for pass in 0...passes {
            let start = ContinuousClock.now
            let loader = try Loader(
                dataset, order: Sampler().trainingOrder(count: dataset.count, seed: 1, epoch: pass),
                augmentation: augmentation, seed: 1, epoch: pass,
                options: .init(batchSize: batchSize, threadCount: threads))
            var images = 0
            while let batch = try loader.next() { images += batch.count }
            if pass > 0 { fastest = max(fastest, Double(images) / ((ContinuousClock.now - start) / .seconds(1))) }
        }
        print("{\"images_per_second\": \(fastest)}")
    }
}
