import CTapestryImages
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
        if size == ImageSize(height: image.height, width: image.width) { return image }
        return image.withView { resize(WindowedPixels($0), to: size, filter: filter) }
    }

    /// What a window shows, at `size`. Precondition: both extents of `size` and of the window are positive.
    static func resize(_ pixels: WindowedPixels, to size: ImageSize, filter: ResamplingFilter) -> PixelImage {
        precondition(size.height > 0 && size.width > 0 && pixels.size.height > 0 && pixels.size.width > 0)
        let lostRows = pixels.size.height - size.height
        let isVerticalFirst = lostRows > 0 && lostRows > 2 * (pixels.size.width - size.width)
        guard let rows = pixels.rows, pixels.size != size else {
            return pixels.size == size ? pixels.image() : resize(pixels.image(), to: size, filter: filter)
        }
        let first = pass(over: rows, isVertical: isVerticalFirst, to: size, filter: filter)
        guard let first else { return pass(over: rows, isVertical: !isVerticalFirst, to: size, filter: filter)! }
        return first.withView { view in
            pass(over: WindowedPixels(view).rows!, isVertical: !isVerticalFirst, to: size, filter: filter)
        } ?? first
    }

    /// A pass along one axis; nil where that has the extent already.
    private static func pass(
        over rows: PixelRows, isVertical: Bool, to size: ImageSize, filter: ResamplingFilter
    ) -> PixelImage? {
        if isVertical { return rows.height == size.height ? nil : vertical(rows, to: size.height, filter: filter) }
        return rows.width == size.width ? nil : horizontal(rows, to: size.width, filter: filter)
    }

    private static func horizontal(_ rows: PixelRows, to width: Int, filter: ResamplingFilter) -> PixelImage {
        let weights = ResamplingWeights(from: rows.width, to: width, filter: filter)
        let count = rows.height * width * rows.channels
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            for y in 0..<rows.height {
                tapestry_resample_row(
                    rows.start + y * rows.pitch, rows.width, output.baseAddress! + y * width * rows.channels, width,
                    rows.channels, weights.taps, weights.weights, weights.stride)
            }
            initialized = count
        }
        return PixelImage(height: rows.height, width: width, channels: rows.channels, pixels: pixels)
    }

    private static func vertical(_ rows: PixelRows, to height: Int, filter: ResamplingFilter) -> PixelImage {
        let weights = ResamplingWeights(from: rows.height, to: height, filter: filter)
        let rowCount = rows.width * rows.channels
        let count = height * rowCount
        var sums = [Int32](repeating: 0, count: rowCount)
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            weights.weights.withUnsafeBufferPointer { numbers in
                for y in 0..<height {
                    tapestry_resample_rows(
                        rows.start, rows.pitch, output.baseAddress! + y * rowCount, rowCount, weights.taps[y],
                        numbers.baseAddress! + y * weights.stride, &sums)
                }
            }
            initialized = count
        }
        return PixelImage(height: height, width: rows.width, channels: rows.channels, pixels: pixels)
    }
}
