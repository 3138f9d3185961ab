import CTapestryKernels

/// Zeros around an image: columns between its rows, rows between images.
struct Pads: Hashable {
    var rows = 0
    var columns = 0

    /// As many as either needs.
    func union(_ other: Pads) -> Pads {
        Pads(rows: max(rows, other.rows), columns: max(columns, other.columns))
    }
}

/// Where a value of several images lies, relative to its first pixel; all in elements.
struct ValueLayout {
    let image: tk_image
    /// Zeros before the first pixel.
    let lead: Int
    /// Whether it holds floats where elements are smaller.
    let holdsFloats: Bool

    /// How far copies of planes may begin before the pads: within a vector, and a tap's columns.
    static let planeMargin = 32

    /// The distance between pixels: whole vectors.
    static func pixel(channels: Int) -> Int {
        let unit = Int(TK_CHANNEL_UNIT)
        return (channels + unit - 1) / unit * unit
    }

    /// A value that `holdsFloats` is a vector.
    /// Pixels that are `isDense` have no padding: only those may read them who take words one by one.
    init(
        _ extents: Extents, pads: Pads, arrangement: Arrangement, elementSize: Int, holdsFloats: Bool = false,
        isDense: Bool = false
    ) {
        let (height, width) = (extents.height, extents.width)
        let cacheLine = 64 / elementSize
        var pixel = arrangement == .planes ? 1 : isDense ? extents.channels : Self.pixel(channels: extents.channels)
        if holdsFloats { pixel *= 4 / elementSize }
        let row = (width + pads.columns) * pixel
        var (channel, image) = (1, (height + pads.rows) * row)
        switch arrangement {
        case .channelsLast:
            // An odd number of cache lines: the same pixel of many images then falls into different sets of the caches.
            if image / cacheLine % 2 == 0 { image += cacheLine }
        case .planes:
            // A last vector may reach beyond the plane, and its taps beyond the pads.
            channel = (image + pads.columns + 31) / 16 * 16
            image = extents.channels * channel
        }
        self.image = tk_image(
            height: Int32(height), width: Int32(width), channels: Int32(extents.channels), pixel: Int32(pixel),
            channel: Int64(channel), row: Int64(row), image: Int64(image))
        // Copies of planes begin and end within vectors of zeros.
        let margin = arrangement == .planes ? Self.planeMargin : 0
        lead = (pads.rows * row + pads.columns * pixel + margin + cacheLine - 1) / cacheLine * cacheLine
        self.holdsFloats = holdsFloats
    }

    /// With room behind for some vectors to be read.
    func size(images: Int) -> Int { lead + images * Int(image.image) + 64 }

    var hasPads: Bool { lead > 0 }
}
