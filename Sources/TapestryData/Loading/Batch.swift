import TapestryCore

/// Images ready for a network, with their labels.
public struct Batch: Equatable, Sendable {
    /// Normalised, count x height x width x channels (NHWC).
    public let images: [Float]
    public let count: Int
    public let height: Int
    public let width: Int
    public let channels: Int
    /// The class index of each image; none where classes are not known.
    public let labels: [Int64]
    /// What could not be read of the images that were to be in it.
    public let unreadable: [UnreadableImage]
    /// The place of the first image in the order that the loader was given.
    public let firstIndex: Int
}

extension Batch {
    /// A C x H x W image by itself, of no known class. Precondition: its shape has three dimensions.
    public init(image: Tensor<Float>) {
        precondition(image.shape.rank == 3, "an image of shape \(image.shape)")
        (channels, height, width) = (image.shape[0], image.shape[1], image.shape[2])
        let (channels, area) = (channels, height * width)
        images = (0..<area * channels).map { image.elements[$0 % channels * area + $0 / channels] }
        (count, labels, unreadable, firstIndex) = (1, [], [], 0)
    }

    /// The image at `index` by itself, C x H x W.
    public func image(at index: Int) -> Tensor<Float> {
        let area = height * width
        let pixels = images[index * area * channels..<(index + 1) * area * channels]
        let planes = (0..<area * channels).map { pixels[pixels.startIndex + $0 % area * channels + $0 / area] }
        return Tensor(shape: [channels, height, width], elements: planes)
    }
}
