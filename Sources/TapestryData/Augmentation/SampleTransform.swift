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
        try finish(try begin(view.size, using: &random), with: view, using: &random, output: output)
    }

    /// A sample of which only the image's size is known so far.
    public struct BegunSample {
        fileprivate let window: PixelWindow
        /// The first step that needs pixels.
        fileprivate let nextStep: Int

        /// The pixels that are needed; never none.
        public var region: PixelRegion {
            let seen = window.seen
            return seen.rows.isEmpty || seen.columns.isEmpty ? PixelRegion(rows: 0..<1, columns: 0..<1) : seen
        }
    }

    /// Does what needs no pixels, so that only those need be decoded that the rest needs. Precondition: positive extents.
    ///
    /// Throws: `DataError` if a crop is larger than the image.
    public func begin(_ image: ImageSize, using random: inout RandomStream) throws(DataError) -> BegunSample {
        var window = PixelWindow(image)
        let next = try move(&window, from: 0, using: &random)
        return BegunSample(window: window, nextStep: next)
    }

    /// Does the rest, for which `view` has the pixels of the sample's region, and `random` is as `begin` left it.
    ///
    /// Precondition: `output` has room for `elementCount` floats.
    /// Throws: `DataError` if the image's size or channels are not what was announced.
    public func finish(
        _ sample: BegunSample, with view: PixelView, using random: inout RandomStream,
        output: UnsafeMutablePointer<Float>
    ) throws(DataError) {
        try make(WindowedPixels(view, sample.window), step: sample.nextStep, using: &random, output: output)
        if let side = augmentation.cutout { cutOut(side, using: &random, output: output) }
    }

    // MARK: Steps

    /// Moves the window as the steps from `first` on say, up to one that makes new pixels: that one is returned.
    private func move(
        _ window: inout PixelWindow, from first: Int, using random: inout RandomStream
    ) throws(DataError) -> Int {
        for index in augmentation.steps.indices[first...] {
            switch augmentation.steps[index] {
            case .padAndCrop(let padding, let size):
                window.crop(try Self.randomCrop(of: size, padding: padding, in: window.size, using: &random))
            case .horizontalFlip(let probability):
                if random.uniform() < probability { window.flip() }
            case .preprocessing(.centerCrop(let size)):
                window.crop(CropGeometry.center(size, in: window.size))
            case .randomResizedCrop(_, let scale, let ratio, _):
                window.crop(
                    CropGeometry.randomResized(in: window.size, scale: scale, ratio: ratio, using: &random))
                return index
            case .colorJitter, .preprocessing(.resize), .preprocessing(.resizeTo), .preprocessing(.channels):
                return index
            }
        }
        return augmentation.steps.endIndex
    }

    /// Makes the new pixels of a step, and the rest of the sample from them; or writes the sample, if that was all.
    private func make(
        _ pixels: WindowedPixels, step: Int, using random: inout RandomStream, output: UnsafeMutablePointer<Float>
    ) throws(DataError) {
        guard step < augmentation.steps.endIndex else {
            guard pixels.size == size, pixels.channels == channels else {
                throw DataError(
                    "expected an image of \(size) and \(channels) channels, found \(pixels.size) and"
                        + " \(pixels.channels)")
            }
            return table.withUnsafeBufferPointer { pixels.write(to: output, table: $0.baseAddress!) }
        }
        let image = try Self.image(of: pixels, after: augmentation.steps[step], using: &random)
        var window = PixelWindow(ImageSize(height: image.height, width: image.width))
        let next = try move(&window, from: step + 1, using: &random)
        var failure: DataError?
        image.withView { view in
            do throws(DataError) {
                try make(WindowedPixels(view, window), step: next, using: &random, output: output)
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private static func image(
        of pixels: WindowedPixels, after step: AugmentationStep, using random: inout RandomStream
    ) throws(DataError) -> PixelImage {
        switch step {
        case .preprocessing(.resize(let side, let filter)):
            let size = CropGeometry.size(of: pixels.size, shorterSide: side)
            // A thin strip, which may be a small file, would grow without bound.
            guard max(size.height, size.width) <= ImageDecoder.pixelLimit / side else {
                throw DataError(
                    "an image of \(pixels.size) would be resized to \(size), more than \(ImageDecoder.pixelLimit) pixels"
                )
            }
            return Resampler.resize(pixels, to: size, filter: filter)
        case .preprocessing(.resizeTo(let size, let filter)), .randomResizedCrop(let size, _, _, let filter):
            return Resampler.resize(pixels, to: size, filter: filter)
        case .preprocessing(.channels(let channels)): return convert(pixels.image(), channels: channels)
        case .colorJitter(let jitter): return jitter.apply(to: pixels.image(), using: &random)
        case .padAndCrop, .horizontalFlip, .preprocessing(.centerCrop): return pixels.image()
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
        let square = cutSquare(side, using: &random)
        for row in square.rows {
            (output + (row * size.width + square.columns.lowerBound) * channels)
                .update(repeating: 0, count: square.columns.count * channels)
        }
    }

    private func cutSquare(_ side: Int, using random: inout RandomStream) -> PixelRegion {
        let (y, x) = (random.integer(below: size.height), random.integer(below: size.width))
        return PixelRegion(
            rows: max(0, y - side / 2)..<min(size.height, y - side / 2 + side),
            columns: max(0, x - side / 2)..<min(size.width, x - side / 2 + side))
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

/// What becomes of an image when a transform only moves its pixels.
public struct PixelSources: Sendable {
    /// Which row of the image each of the output's takes; nil for zeros.
    public let rows: [Int?]
    public let columns: [Int?]
    /// What of the output is cut out.
    public let cut: PixelRegion?
}

extension SampleTransform {
    /// Whether `sources` tells all.
    public var onlyMovesPixels: Bool {
        augmentation.steps.allSatisfy { step in
            switch step {
            case .padAndCrop, .horizontalFlip, .preprocessing(.centerCrop): true
            case .randomResizedCrop, .colorJitter, .preprocessing(.resize), .preprocessing(.resizeTo),
                .preprocessing(.channels):
                false
            }
        }
    }

    /// `table[channel * 256 + pixel]`, the normalised values of pixels.
    public var normalizedValues: [Float] { table }

    /// Draws what `apply` would have drawn from `random` for an image of that size, and says where pixels come from.
    ///
    /// Precondition: `onlyMovesPixels`. Throws: as `apply`.
    public func sources(in image: ImageSize, using random: inout RandomStream) throws(DataError) -> PixelSources {
        precondition(onlyMovesPixels)
        let window = try begin(image, using: &random).window
        let cut = augmentation.cutout.map { cutSquare($0, using: &random) }
        return PixelSources(rows: window.sourceRows, columns: window.sourceColumns, cut: cut)
    }
}
