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
