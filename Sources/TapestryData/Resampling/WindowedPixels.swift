import TapestryFormats

/// A crop, mirrored or not, of an image of some size: crops and flips compose here, and no pixel is needed for it.
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

    init(_ image: ImageSize) {
        height = image.height
        width = image.width
        visibleRows = 0..<image.height
        visibleColumns = 0..<image.width
    }

    var size: ImageSize { ImageSize(height: height, width: width) }

    /// The part of the image that is seen; either range may be empty.
    var seen: PixelRegion {
        PixelRegion(
            rows: visibleRows.clamped(to: top..<top + height), columns: visibleColumns.clamped(to: left..<left + width))
    }

    mutating func crop(_ rectangle: CropRectangle) {
        let seen = seen
        visibleRows = seen.rows
        visibleColumns = seen.columns
        top += rectangle.top
        left += isFlipped ? width - rectangle.left - rectangle.size.width : rectangle.left
        height = rectangle.size.height
        width = rectangle.size.width
    }

    mutating func flip() { isFlipped.toggle() }

    /// The image's row that each of the window's shows; nil for zeros.
    var sourceRows: [Int?] { (top..<top + height).map { seen.rows.contains($0) ? $0 : nil } }
    var sourceColumns: [Int?] {
        let shown = (left..<left + width).map { seen.columns.contains($0) ? $0 : nil }
        return isFlipped ? shown.reversed() : shown
    }
}

/// Rows of borrowed pixels, each `pitch` bytes after the one before.
struct PixelRows {
    let start: UnsafePointer<UInt8>
    let pitch: Int
    let height: Int
    let width: Int
    let channels: Int
}

/// A window over borrowed pixels, which are at least those that it shows of the image.
struct WindowedPixels {
    private let source: PixelView
    private let window: PixelWindow

    init(_ source: PixelView, _ window: PixelWindow) {
        self.source = source
        self.window = window
    }

    /// All of a whole image.
    init(_ source: PixelView) { self.init(source, PixelWindow(source.size)) }

    var channels: Int { source.channels }
    var size: ImageSize { window.size }

    /// The window's pixels as they lie in memory; nil where it is mirrored or shows what is beyond the image.
    var rows: PixelRows? {
        let seen = window.seen
        guard !window.isFlipped, seen.rows.count == window.height, seen.columns.count == window.width,
            let start = source.pixels.baseAddress
        else { return nil }
        let offset = (window.top - source.top) * source.width + window.left - source.left
        return PixelRows(
            start: start + offset * channels, pitch: source.width * channels, height: window.height,
            width: window.width, channels: channels)
    }

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
        let seen = window.seen
        let (width, left) = (window.width, window.left)
        let input = source.pixels.baseAddress!
        let isFlipped = window.isFlipped
        let before = isFlipped ? left + width - seen.columns.upperBound : seen.columns.lowerBound - left
        let firstColumn = (isFlipped ? seen.columns.upperBound - 1 : seen.columns.lowerBound) - source.left
        let step = isFlipped ? -channels : channels
        for y in 0..<window.height {
            let row = output + y * width * channels
            guard seen.rows.contains(window.top + y), !seen.columns.isEmpty else {
                fillZero(row, count: width, table: table, channels: channels)
                continue
            }
            fillZero(row, count: before, table: table, channels: channels)
            var from = input + ((window.top + y - source.top) * source.width + firstColumn) * channels
            var to = row + before * channels
            for _ in 0..<seen.columns.count {
                for channel in 0..<channels { to[channel] = table[channel * 256 + Int(from[channel])] }
                from += step
                to += channels
            }
            fillZero(to, count: width - before - seen.columns.count, table: table, channels: channels)
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
