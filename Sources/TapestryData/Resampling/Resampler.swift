import TapestryFormats

/// Resizing 8-bit images as Pillow does, bit by bit: a horizontal pass, rounded to 8 bits, then a vertical one.
///
/// Source: Pillow, src/libImaging/Resample.c, `ImagingResample` and its 8-bit passes.
public enum Resampler {
    /// `image` at `size`; itself where it has that size already.
    ///
    /// Precondition: both extents of `size` and of `image` are positive.
    public static func resize(_ image: PixelImage, to size: ImageSize, filter: ResamplingFilter) -> PixelImage {
        precondition(size.height > 0 && size.width > 0 && image.height > 0 && image.width > 0)
        var image = image
        if image.width != size.width { image = horizontal(image, to: size.width, filter: filter) }
        if image.height != size.height { image = vertical(image, to: size.height, filter: filter) }
        return image
    }

    private static let half = Int32(1) << Int32(ResamplingWeights.precision - 1)

    private static func clip(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum >> Int32(ResamplingWeights.precision), 0), 255))
    }

    private static func horizontal(_ image: PixelImage, to width: Int, filter: ResamplingFilter) -> PixelImage {
        let weights = ResamplingWeights(from: image.width, to: width, filter: filter)
        let channels = image.channels
        let count = image.height * width * channels
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            image.pixels.withUnsafeBufferPointer { input in
                weights.weights.withUnsafeBufferPointer { taps in
                    for y in 0..<image.height {
                        let row = input.baseAddress! + y * image.width * channels
                        for x in 0..<width {
                            let from = row + weights.starts[x] * channels
                            for channel in 0..<channels {
                                var sum = half
                                for tap in 0..<weights.counts[x] {
                                    sum &+= Int32(from[tap * channels + channel]) &* taps[x * weights.stride + tap]
                                }
                                output[(y * width + x) * channels + channel] = clip(sum)
                            }
                        }
                    }
                }
            }
            initialized = count
        }
        return PixelImage(height: image.height, width: width, channels: channels, pixels: pixels)
    }

    private static func vertical(_ image: PixelImage, to height: Int, filter: ResamplingFilter) -> PixelImage {
        let weights = ResamplingWeights(from: image.height, to: height, filter: filter)
        let rowCount = image.width * image.channels
        let count = height * rowCount
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            image.pixels.withUnsafeBufferPointer { input in
                weights.weights.withUnsafeBufferPointer { taps in
                    for y in 0..<height {
                        let from = input.baseAddress! + weights.starts[y] * rowCount
                        for x in 0..<rowCount {
                            var sum = half
                            for tap in 0..<weights.counts[y] {
                                sum &+= Int32(from[tap * rowCount + x]) &* taps[y * weights.stride + tap]
                            }
                            output[y * rowCount + x] = clip(sum)
                        }
                    }
                }
            }
            initialized = count
        }
        return PixelImage(height: height, width: image.width, channels: image.channels, pixels: pixels)
    }
}
