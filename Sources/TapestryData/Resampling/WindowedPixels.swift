import TapestryFormats

/// A crop, mirrored or not, of an image: crops and flips compose here without touching a pixel.
struct PixelWindow {
    /// The window's place in the image, beyond whose edges pixels are zero.
    private(set) var top = 0
    private(set) var left = 0
    private(set) var height: Int
    private(set) var width: Int
    private(set) var isFlipped = false
    /// The part of the image that is still visible: what an earlier crop cut off is zero for a later, wider one.
    private var visibleRows: Range<Int>
    private var visibleColumns: Range<Int>

    /// All of an image.
    init(_ size: ImageSize) {
        (height, width) = (size.height, size.width)
        visibleRows = 0..<height
        visibleColumns = 0..<width
    }

    var size: ImageSize { ImageSize(height: height, width: width) }
    /// What of the image the window shows.
    var rows: Range<Int> { visibleRows.clamped(to: top..<top + height) }
    var columns: Range<Int> { visibleColumns.clamped(to: left..<left + width) }

    mutating func crop(_ rectangle: CropRectangle) {
        visibleRows = rows
        visibleColumns = columns
        top += rectangle.top
        left += isFlipped ? width - rectangle.left - rectangle.size.width : rectangle.left
        height = rectangle.size.height
        width = rectangle.size.width
    }

    mutating func flip() { isFlipped.toggle() }

    /// The image's row that each of the window's shows; nil for zeros.
    var sourceRows: [Int?] { (top..<top + height).map { rows.contains($0) ? $0 : nil } }
    var sourceColumns: [Int?] {
        let shown = (left..<left + width).map { columns.contains($0) ? $0 : nil }
        return isFlipped ? shown.reversed() : shown
    }
}

/// A window over borrowed pixels.
struct WindowedPixels {
    private let source: PixelView
    var window: PixelWindow

    init(_ source: PixelView) {
        self.source = source
        window = PixelWindow(ImageSize(height: source.height, width: source.width))
    }

    var channels: Int { source.channels }
    var size: ImageSize { window.size }

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
        let (top, left, width, isFlipped) = (window.top, window.left, window.width, window.isFlipped)
        let (rows, columns) = (window.rows, window.columns)
        let input = source.pixels.baseAddress!
        for y in 0..<window.height {
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
        let count = window.height * window.width * channels
        let pixels = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            Self.identity.withUnsafeBufferPointer { write(to: output.baseAddress!, table: $0.baseAddress!) }
            initialized = count
        }
        return PixelImage(height: window.height, width: window.width, channels: channels, pixels: pixels)
    }

    private static let identity = (0..<3).flatMap { _ in UInt8(0)...UInt8(255) }
}
