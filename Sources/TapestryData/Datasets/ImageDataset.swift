import TapestryFormats

/// Labelled images that can be read in any order, from several threads at once.
public protocol ImageDataset: Sendable {
    var count: Int { get }
    var classNames: [String] { get }
    /// 1 (grey) or 3 (RGB), the same for all images.
    var channels: Int { get }
    /// The height and width that all images have; nil if they differ.
    var uniformSize: ImageSize? { get }

    /// The class index of an image. Precondition: 0 <= index < count.
    func label(at index: Int) -> Int

    /// An image. Precondition: 0 <= index < count. Throws: what reading its file throws.
    func image(at index: Int) throws -> PixelImage

    /// Calls `body` with an image's pixels, without a copy where they are in memory already.
    func withPixels<Result>(at index: Int, _ body: (PixelView) throws -> Result) throws -> Result

    /// Calls `body` with at least those of an image's pixels that `choose` names when it is told the image's size.
    func withPixels<Result>(
        at index: Int, choosing choose: (ImageSize) throws -> PixelRegion, _ body: (PixelView) throws -> Result
    ) throws -> Result
}

extension ImageDataset {
    public func withPixels<Result>(at index: Int, _ body: (PixelView) throws -> Result) throws -> Result {
        try image(at: index).withView(body)
    }

    public func withPixels<Result>(
        at index: Int, choosing choose: (ImageSize) throws -> PixelRegion, _ body: (PixelView) throws -> Result
    ) throws -> Result {
        try withPixels(at: index) { view in
            _ = try choose(view.size)
            return try body(view)
        }
    }
}

/// A height and a width in pixels.
public struct ImageSize: Hashable, Codable, Sendable {
    public let height: Int
    public let width: Int

    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }
}

extension ImageSize: CustomStringConvertible {
    public var description: String { "\(height)x\(width)" }
}

/// Borrowed 8-bit pixels, height x width x channels; valid only within the call that gave them.
public struct PixelView {
    public let height: Int
    public let width: Int
    public let channels: Int
    public let pixels: UnsafeBufferPointer<UInt8>
    /// Where they begin in the image of which they are a part.
    public let top: Int
    public let left: Int

    /// Precondition: `pixels.count == height * width * channels`.
    public init(
        height: Int, width: Int, channels: Int, pixels: UnsafeBufferPointer<UInt8>, top: Int = 0, left: Int = 0
    ) {
        precondition(pixels.count == height * width * channels)
        self.top = top
        self.left = left
        self.height = height
        self.width = width
        self.channels = channels
        self.pixels = pixels
    }

    public var size: ImageSize { ImageSize(height: height, width: width) }
}

extension PixelImage {
    /// Calls `body` with the image's pixels.
    public func withView<Result>(_ body: (PixelView) throws -> Result) rethrows -> Result {
        try pixels.withUnsafeBufferPointer {
            try body(PixelView(height: height, width: width, channels: channels, pixels: $0))
        }
    }
}

extension ImagePart {
    /// Calls `body` with the part's pixels.
    public func withView<Result>(_ body: (PixelView) throws -> Result) rethrows -> Result {
        try image.pixels.withUnsafeBufferPointer {
            try body(
                PixelView(
                    height: image.height, width: image.width, channels: image.channels, pixels: $0, top: top,
                    left: left))
        }
    }
}
