import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite("Single images as inputs") struct SingleImageTests {
    private let image: PixelImage

    init() throws { image = try ImageDecoder.read(Fixture.path("images/rgb.png")) }

    /// An image of a folder is the same input whether it is looked at alone or loaded with its data set.
    @Test(arguments: [8, 13, 64]) func equalTheLoaders(size: Int) throws {
        let directory = try TemporaryDirectory()
        try directory.write(try Fixture.bytes("images/rgb.png"), to: "val/a/1.png")
        let dataset = try DatasetKind.open(.folder, directory: directory.path, split: .test).dataset
        let normalization = try Normalization.preset("imagenet", channels: 3)
        let batch = try #require(
            try Loader(
                dataset, order: [0],
                preprocessing: Preprocessing(for: dataset, size: size, channels: 3, normalization: normalization),
                options: .init(batchSize: 1)
            ).next())
        let single = try Preprocessing(
            forImageOf: ImageSize(height: image.height, width: image.width), like: .folder, size: size, channels: 3,
            normalization: normalization)(image)
        #expect(single.shape == [3, size, size])
        for channel in 0..<3 {
            for pixel in 0..<size * size {
                #expect(single.elements[channel * size * size + pixel] == batch.images[pixel * 3 + channel])
            }
        }
        #expect(batch.image(at: 0) == single)
        let alone = Batch(image: single)
        #expect(alone.images == batch.images && alone.count == 1 && alone.labels.isEmpty)
        #expect([alone.channels, alone.height, alone.width] == single.shape.dimensions)
    }

    @Test func imagesOfTheRightSizeAreLeftAlone() throws {
        let pixels = (0..<48).map { UInt8($0 * 5) }
        let image = PixelImage(height: 4, width: 4, channels: 3, pixels: pixels)
        let normalization = try Normalization.preset("none", channels: 3)
        let preprocessing = Preprocessing(
            forImageOf: ImageSize(height: 4, width: 4), like: .cifar10, size: 4, channels: 3,
            normalization: normalization)
        #expect(preprocessing.steps.isEmpty)
        let input = try preprocessing(image)
        for (position, value) in input.elements.enumerated() {
            #expect(value == Float(pixels[position % 16 * 3 + position / 16]) / 255)
        }
    }

    @Test func othersAreSeenWholeInProportion() throws {
        let size = ImageSize(height: image.height, width: image.width)
        let normalization = try Normalization.preset("none", channels: 1)
        let preprocessing = Preprocessing(
            forImageOf: size, like: .mnist, size: 28, channels: 1, normalization: normalization)
        let target = ImageSize(height: 28, width: 28)
        #expect(preprocessing.steps == [.resize(shorterSide: 28), .centerCrop(target), .channels(1)])
        #expect(try preprocessing(image).shape == [1, 28, 28])
    }

    /// A file of a few bytes must not become an image that no memory holds.
    @Test func stripsAreRefused() throws {
        let strip = PixelImage(
            height: 1, width: 3_000_000, channels: 1, pixels: [UInt8](repeating: 0, count: 3_000_000))
        let preprocessing = Preprocessing(
            [.resize(shorterSide: 224), .centerCrop(ImageSize(height: 224, width: 224))],
            normalization: try Normalization.preset("none", channels: 1))
        let error = #expect(throws: DataError.self) { try preprocessing(strip) }
        #expect(error?.reason.contains("1x3000000") == true)
    }
}
