import TapestryFormats

/// Resizing 8-bit images as Pillow does, bit by bit: a pass along each axis, with rounding to 8 bits after each.
///
/// The horizontal pass comes first, save where the height shrinks by more than twice as many pixels as the width: there
/// Pillow since 13.0 saves work by the other order, which rounds otherwise.
/// Source: Pillow, src/libImaging/Resample.c, `ImagingResample` and its 8-bit passes; pull request 9549.
public enum Resampler {
    /// `image` at `size`; itself where it has that size already.
    ///
    /// Precondition: both extents of `size` and of `image` are positive.
    public static func resize(_ image: PixelImage, to size: ImageSize, filter: ResamplingFilter) -> PixelImage {
        precondition(size.height > 0 && size.width > 0 && image.height > 0 && image.width > 0)
        var image = image
        let lostRows = image.height - size.height
        if lostRows > 0 && lostRows > 2 * (image.width - size.width) {
            image = vertical(image, to: size.height, filter: filter)
        }
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
                for y in 0..<image.height {
                    let from = input.baseAddress! + y * image.width * channels
                    let to = output.baseAddress! + y * width * channels
                    // A constant number of channels lets the compiler keep a sum for each in a register.
                    if channels == 3 {
                        resampleRow(from, to: to, width: width, channels: 3, weights: weights)
                    } else {
                        resampleRow(from, to: to, width: width, channels: channels, weights: weights)
                    }
                }
            }
            initialized = count
        }
        return PixelImage(height: image.height, width: width, channels: channels, pixels: pixels)
    }

    @inline(__always)
    private static func resampleRow(
        _ row: UnsafePointer<UInt8>, to output: UnsafeMutablePointer<UInt8>, width: Int, channels: Int,
        weights: ResamplingWeights
    ) {
        weights.weights.withUnsafeBufferPointer { taps in
            for x in 0..<width {
                let from = row + weights.starts[x] * channels
                let tapCount = weights.counts[x]
                let pixelTaps = taps.baseAddress! + x * weights.stride
                for channel in 0..<channels {
                    var sum = half
                    for tap in 0..<tapCount { sum &+= Int32(from[tap * channels + channel]) &* pixelTaps[tap] }
                    output[x * channels + channel] = clip(sum)
                }
            }
        }
    }

    private static func vertical(_ image: PixelImage, to height: Int, filter: ResamplingFilter) -> PixelImage {
        let weights = ResamplingWeights(from: image.height, to: height, filter: filter)
        let rowCount = image.width * image.channels
        let count = height * rowCount
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            image.pixels.withUnsafeBufferPointer { input in
                weights.weights.withUnsafeBufferPointer { taps in
                    // Tap by tap over a whole row of sums, which the compiler turns into vector instructions.
                    var sums = [Int32](repeating: 0, count: rowCount)
                    for y in 0..<height {
                        let from = input.baseAddress! + weights.starts[y] * rowCount
                        let to = output.baseAddress! + y * rowCount
                        sums.withUnsafeMutableBufferPointer { sums in
                            sums.update(repeating: half)
                            for tap in 0..<weights.counts[y] {
                                let weight = taps[y * weights.stride + tap]
                                let row = from + tap * rowCount
                                for x in 0..<rowCount { sums[x] &+= Int32(row[x]) &* weight }
                            }
                            for x in 0..<rowCount { to[x] = clip(sums[x]) }
                        }
                    }
                }
            }
            initialized = count
        }
        return PixelImage(height: height, width: image.width, channels: image.channels, pixels: pixels)
    }
}
