import TapestryFormats

/// A data set whose pixels are all in memory, as CIFAR's and MNIST's are.
public struct InMemoryDataset: ImageDataset {
    private let images: LabelledImages

    public init(_ images: LabelledImages) { self.images = images }

    public var count: Int { images.count }
    public var classNames: [String] { images.classNames }
    public var channels: Int { images.channels }
    public var uniformSize: ImageSize? { ImageSize(height: images.height, width: images.width) }

    public func label(at index: Int) -> Int { Int(images.labels[index]) }

    public func image(at index: Int) -> PixelImage {
        PixelImage(
            height: images.height, width: images.width, channels: images.channels,
            pixels: Array(images.pixels[range(of: index)]))
    }

    public func withPixels<Result>(at index: Int, _ body: (PixelView) throws -> Result) rethrows -> Result {
        let range = range(of: index)
        return try images.pixels.withUnsafeBufferPointer { pixels in
            try body(
                PixelView(
                    height: images.height, width: images.width, channels: images.channels,
                    pixels: UnsafeBufferPointer(rebasing: pixels[range])))
        }
    }

    private func range(of index: Int) -> Range<Int> {
        let size = images.height * images.width * images.channels
        return index * size..<(index + 1) * size
    }
}
