/// An 8-bit image, interleaved by pixel (height x width x channels), 1 channel (grey) or 3 (RGB).
public struct PixelImage: Equatable, Sendable {
    public let height: Int
    public let width: Int
    public let channels: Int
    public var pixels: [UInt8]

    /// Precondition: `pixels.count == height * width * channels`.
    public init(height: Int, width: Int, channels: Int, pixels: [UInt8]) {
        precondition(pixels.count == height * width * channels)
        self.height = height
        self.width = width
        self.channels = channels
        self.pixels = pixels
    }
}

/// Some rows and columns of an image.
public struct PixelRegion: Hashable, Sendable {
    public let rows: Range<Int>
    public let columns: Range<Int>

    public init(rows: Range<Int>, columns: Range<Int>) {
        self.rows = rows
        self.columns = columns
    }
}

/// A part of an image, which is `image`, and where its first pixel is in the whole one.
public struct ImagePart: Equatable, Sendable {
    public let image: PixelImage
    public let top: Int
    public let left: Int

    public init(_ image: PixelImage, top: Int = 0, left: Int = 0) {
        self.image = image
        self.top = top
        self.left = left
    }
}
