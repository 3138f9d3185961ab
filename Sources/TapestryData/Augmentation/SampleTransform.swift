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
        var pixels = input
        for (index, step) in zip(steps.indices, steps) {
            if try !Self.move(&pixels.window, by: step, using: &random) {
                // It makes new pixels, which the steps that are left then see.
                let image = try Self.image(of: pixels, after: step, using: &random)
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
        guard pixels.size == size, pixels.channels == channels else {
            throw DataError(
                "expected an image of \(size) and \(channels) channels, found \(pixels.size) and \(pixels.channels)")
        }
        table.withUnsafeBufferPointer { pixels.write(to: output, table: $0.baseAddress!) }
    }

    /// Takes a step that only moves the window; false for any other.
    private static func move(
        _ window: inout PixelWindow, by step: AugmentationStep, using random: inout RandomStream
    ) throws(DataError) -> Bool {
        switch step {
        case .padAndCrop(let padding, let size):
            window.crop(try randomCrop(of: size, padding: padding, in: window.size, using: &random))
        case .horizontalFlip(let probability): if random.uniform() < probability { window.flip() }
        case .preprocessing(.centerCrop(let size)): window.crop(CropGeometry.center(size, in: window.size))
        default: return false
        }
        return true
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
            part.window.crop(CropGeometry.randomResized(in: window.size, scale: scale, ratio: ratio, using: &random))
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
        let (rows, columns) = cutSquare(side, using: &random)
        for row in rows {
            (output + (row * size.width + columns.lowerBound) * channels)
                .update(repeating: 0, count: columns.count * channels)
        }
    }

    private func cutSquare(
        _ side: Int, using random: inout RandomStream
    ) -> (rows: Range<Int>, columns: Range<Int>) {
        let (y, x) = (random.integer(below: size.height), random.integer(below: size.width))
        return (
            max(0, y - side / 2)..<min(size.height, y - side / 2 + side),
            max(0, x - side / 2)..<min(size.width, x - side / 2 + side)
        )
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

// MARK: - Where pixels come from

/// What becomes of an image when a transform only moves its pixels: which row and column each of the output's takes (nil
/// for zeros), and which rows and columns of the output are cut out.
public struct PixelSources: Equatable, Sendable {
    public let rows: [Int?]
    public let columns: [Int?]
    public let cut: (rows: Range<Int>, columns: Range<Int>)?

    public static func == (a: PixelSources, b: PixelSources) -> Bool {
        a.rows == b.rows && a.columns == b.columns && a.cut?.rows == b.cut?.rows && a.cut?.columns == b.cut?.columns
    }
}

extension SampleTransform {
    /// Whether `sources` tells all.
    public var onlyMovesPixels: Bool {
        augmentation.steps.allSatisfy { step in
            switch step {
            case .padAndCrop, .horizontalFlip, .preprocessing(.centerCrop): true
            default: false
            }
        }
    }

    /// `table[channel * 256 + pixel]`, the normalised values of pixels.
    public var normalizedValues: [Float] { table }

    /// Draws what `apply` would have drawn from `random` for an image of `input`, and says where pixels come from.
    ///
    /// Precondition: `onlyMovesPixels`. Throws: as `apply`.
    public func sources(in input: ImageSize, using random: inout RandomStream) throws(DataError) -> PixelSources {
        var window = PixelWindow(input)
        for step in augmentation.steps {
            let hasMoved = try Self.move(&window, by: step, using: &random)
            precondition(hasMoved, "a step that makes new pixels")
        }
        let cut = augmentation.cutout.map { cutSquare($0, using: &random) }
        return PixelSources(rows: window.sourceRows, columns: window.sourceColumns, cut: cut)
    }
}
