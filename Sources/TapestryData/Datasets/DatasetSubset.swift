import TapestryFormats

/// The first images of a data set.
public struct DatasetSubset: ImageDataset {
    private let base: any ImageDataset
    public let count: Int

    /// The first `limit` images of `base`, or all where it has fewer. Precondition: limit >= 0.
    public init(_ base: any ImageDataset, first limit: Int) {
        precondition(limit >= 0)
        self.base = base
        count = min(limit, base.count)
    }

    public var classNames: [String] { base.classNames }
    public var channels: Int { base.channels }
    public var uniformSize: ImageSize? { base.uniformSize }

    public func label(at index: Int) -> Int { base.label(at: index) }

    public func image(at index: Int) throws -> PixelImage { try base.image(at: index) }

    public func withPixels<Result>(at index: Int, _ body: (PixelView) throws -> Result) throws -> Result {
        try base.withPixels(at: index, body)
    }

    public func withPixels<Result>(
        at index: Int, choosing choose: (ImageSize) throws -> PixelRegion, _ body: (PixelView) throws -> Result
    ) throws -> Result {
        try base.withPixels(at: index, choosing: choose, body)
    }
}
