import TapestryCore
import TapestryFormats

/// An augmentation made ready to run: turns one image into normalised floats, height x width x channels.
///
/// Crops and flips only move a window over the pixels, so a sample whose steps are no others is read once, through the
/// table of normalised values, and written once.
public struct SampleTransform: Sendable {
    /// The size of every output.
    public let size: ImageSize
    public let channels: Int
    private let augmentation: Augmentation
    private let table: [Float]

    /// Prepares `augmentation` for images of `channels` channels and, where they all have one, of size `input`.
    ///
    /// Throws: `DataError` if the outputs would differ in size, or a crop is larger than its image, or the normalisation
    /// is for another number of channels.
    public init(_ augmentation: Augmentation, input: ImageSize?, channels: Int) throws(DataError) {
        var size = input
        var channels = channels
        for step in augmentation.steps { try Self.advance(&size, &channels, by: step) }
        guard let size else {
            throw DataError("the images differ in size: resize or crop them to one size, as batches need")
        }
        guard augmentation.normalization.channels == channels else {
            throw DataError(
                "the normalisation has \(augmentation.normalization.channels) channels, the images have \(channels)")
        }
        self.size = size
        self.channels = channels
        self.augmentation = augmentation
        table = augmentation.normalization.table
    }

    /// Floats of one output.
    public var elementCount: Int { size.height * size.width * channels }

    /// Writes the transformed image to `output`, drawing what is random from `random`.
    ///
    /// Precondition: `output` has room for `elementCount` floats.
    /// Throws: `DataError` if the image's size or channels are not what was announced.
    public func apply(
        to view: PixelView, using random: inout RandomStream, output: UnsafeMutablePointer<Float>
    ) throws(DataError) {
        try apply(augmentation.steps[...], to: WindowedPixels(view), using: &random, output: output)
        if let side = augmentation.cutout { cutOut(side, using: &random, output: output) }
    }

    // MARK: Steps

    private func apply(
        _ steps: ArraySlice<AugmentationStep>, to input: WindowedPixels, using random: inout RandomStream,
        output: UnsafeMutablePointer<Float>
    ) throws(DataError) {
        var window = input
        for (index, step) in zip(steps.indices, steps) {
            switch step {
            case .padAndCrop(let padding, let size):
                window.crop(try Self.randomCrop(of: size, padding: padding, in: window.size, using: &random))
            case .horizontalFlip(let probability):
                if random.uniform() < probability { window.flip() }
            case .preprocessing(.centerCrop(let size)):
                window.crop(CropGeometry.center(size, in: window.size))
            default:
                // These make new pixels, which the steps that are left then see.
                let image = try Self.image(of: window, after: step, using: &random)
                var failure: DataError?
                image.withView { view in
                    do throws(DataError) {
                        try apply(steps[(index + 1)...], to: WindowedPixels(view), using: &random, output: output)
                    } catch { failure = error }
                }
                if let failure { throw failure }
                return
            }
        }
        guard window.size == size, window.channels == channels else {
            throw DataError(
                "expected an image of \(size) and \(channels) channels, found \(window.size) and \(window.channels)")
        }
        table.withUnsafeBufferPointer { window.write(to: output, table: $0.baseAddress!) }
    }

    private static func image(
        of window: WindowedPixels, after step: AugmentationStep, using random: inout RandomStream
    ) throws(DataError) -> PixelImage {
        switch step {
        case .preprocessing(.resize(let side, let filter)):
            let size = CropGeometry.size(of: window.size, shorterSide: side)
            // A thin strip, which may be a small file, would grow without bound.
            guard max(size.height, size.width) <= ImageDecoder.pixelLimit / side else {
                throw DataError(
                    "an image of \(window.size) would be resized to \(size), more than \(ImageDecoder.pixelLimit) pixels"
                )
            }
            return Resampler.resize(window.image(), to: size, filter: filter)
        case .preprocessing(.resizeTo(let size, let filter)):
            return Resampler.resize(window.image(), to: size, filter: filter)
        case .preprocessing(.channels(let channels)): return convert(window.image(), channels: channels)
        case .randomResizedCrop(let size, let scale, let ratio, let filter):
            var part = window
            part.crop(CropGeometry.randomResized(in: window.size, scale: scale, ratio: ratio, using: &random))
            return Resampler.resize(part.image(), to: size, filter: filter)
        case .colorJitter(let jitter): return jitter.apply(to: window.image(), using: &random)
        case .padAndCrop, .horizontalFlip, .preprocessing(.centerCrop): return window.image()
        }
    }

    private static func convert(_ image: PixelImage, channels: Int) -> PixelImage {
        guard image.channels != channels else { return image }
        let pixels = channels == 1 ? ColorAdjustment.lumas(of: image) : image.pixels.flatMap { [$0, $0, $0] }
        return PixelImage(height: image.height, width: image.width, channels: channels, pixels: pixels)
    }

    private static func randomCrop(
        of size: ImageSize, padding: Int, in image: ImageSize, using random: inout RandomStream
    ) throws(DataError) -> CropRectangle {
        let rows = image.height + 2 * padding - size.height
        let columns = image.width + 2 * padding - size.width
        guard rows >= 0, columns >= 0 else {
            throw DataError("cannot crop \(size) from an image of \(image) padded by \(padding)")
        }
        return CropRectangle(
            top: random.integer(below: rows + 1) - padding, left: random.integer(below: columns + 1) - padding,
            size: size)
    }

    private func cutOut(_ side: Int, using random: inout RandomStream, output: UnsafeMutablePointer<Float>) {
        let (y, x) = (random.integer(below: size.height), random.integer(below: size.width))
        let columns = max(0, x - side / 2)..<min(size.width, x - side / 2 + side)
        for row in max(0, y - side / 2)..<min(size.height, y - side / 2 + side) {
            (output + (row * size.width + columns.lowerBound) * channels)
                .update(repeating: 0, count: columns.count * channels)
        }
    }

    /// The size (nil if not the same for all images) and the channels after a step.
    private static func advance(
        _ size: inout ImageSize?, _ channels: inout Int, by step: AugmentationStep
    ) throws(DataError) {
        switch step {
        case .preprocessing(.resize(let side, _)):
            // Without a common size before, the longer sides still differ after.
            size = size.map { CropGeometry.size(of: $0, shorterSide: side) }
        case .preprocessing(.resizeTo(let target, _)), .preprocessing(.centerCrop(let target)),
            .randomResizedCrop(let target, _, _, _):
            size = target
        case .preprocessing(.channels(let target)): channels = target
        case .padAndCrop(let padding, let target):
            if let image = size,
                image.height + 2 * padding < target.height || image.width + 2 * padding < target.width
            {
                throw DataError("cannot crop \(target) from images of \(image) padded by \(padding)")
            }
            size = target
        case .horizontalFlip, .colorJitter: break
        }
    }
}
