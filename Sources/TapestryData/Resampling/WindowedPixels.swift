import TapestryFormats

/// A crop, mirrored or not, of borrowed pixels: crops and flips compose here without touching a pixel.
struct WindowedPixels {
    private let source: PixelView
    /// The window's place in the source, beyond whose edges pixels are zero.
    private var top = 0
    private var left = 0
    private(set) var height: Int
    private(set) var width: Int
    private var isFlipped = false
    /// The part of the source that is still visible: what an earlier crop cut off is zero for a later, wider one.
    private var visibleRows: Range<Int>
    private var visibleColumns: Range<Int>

    init(_ source: PixelView) {
        self.source = source
        height = source.height
        width = source.width
        visibleRows = 0..<source.height
        visibleColumns = 0..<source.width
    }

    var channels: Int { source.channels }
    var size: ImageSize { ImageSize(height: height, width: width) }

    mutating func crop(_ rectangle: CropRectangle) {
        visibleRows = visibleRows.clamped(to: top..<top + height)
        visibleColumns = visibleColumns.clamped(to: left..<left + width)
        top += rectangle.top
        left += isFlipped ? width - rectangle.left - rectangle.size.width : rectangle.left
        height = rectangle.size.height
        width = rectangle.size.width
    }

    mutating func flip() { isFlipped.toggle() }

    /// Writes the window's pixels (height x width x channels) as `table[channel * 256 + pixel]`.
    ///
    /// Precondition: `output` has room for them.
    func write<Element>(to output: UnsafeMutablePointer<Element>, table: UnsafePointer<Element>) {
        switch channels {
        case 1: write(to: output, table: table, channels: 1)
        default: write(to: output, table: table, channels: 3)
        }
    }

    /// Inlined for a constant number of channels, so that the loop over them unrolls.
    @inline(__always)
    private func write<Element>(
        to output: UnsafeMutablePointer<Element>, table: UnsafePointer<Element>, channels: Int
    ) {
        let columns = visibleColumns.clamped(to: left..<left + width)
        let rows = visibleRows.clamped(to: top..<top + height)
        let input = source.pixels.baseAddress!
        for y in 0..<height {
            let row = output + y * width * channels
            guard rows.contains(top + y), !columns.isEmpty else {
                fillZero(row, count: width, table: table, channels: channels)
                continue
            }
            let before = isFlipped ? left + width - columns.upperBound : columns.lowerBound - left
            fillZero(row, count: before, table: table, channels: channels)
            var from =
                input + ((top + y) * source.width + (isFlipped ? columns.upperBound - 1 : columns.lowerBound))
                * channels
            let step = isFlipped ? -channels : channels
            var to = row + before * channels
            for _ in 0..<columns.count {
                for channel in 0..<channels { to[channel] = table[channel * 256 + Int(from[channel])] }
                from += step
                to += channels
            }
            fillZero(to, count: width - before - columns.count, table: table, channels: channels)
        }
    }

    @inline(__always)
    private func fillZero<Element>(
        _ output: UnsafeMutablePointer<Element>, count: Int, table: UnsafePointer<Element>, channels: Int
    ) {
        for pixel in 0..<count {
            for channel in 0..<channels { output[pixel * channels + channel] = table[channel * 256] }
        }
    }

    /// The window as an image of its own.
    func image() -> PixelImage {
        let count = height * width * channels
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            Self.identity.withUnsafeBufferPointer { write(to: output.baseAddress!, table: $0.baseAddress!) }
            initialized = count
        }
        return PixelImage(height: height, width: width, channels: channels, pixels: pixels)
    }

    private static let identity = (0..<3).flatMap { _ in UInt8(0)...UInt8(255) }
}
