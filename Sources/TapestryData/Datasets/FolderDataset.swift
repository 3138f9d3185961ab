import TapestryFormats

/// A data set of a folder per class, whose images are decoded each time they are asked for.
public struct FolderDataset: ImageDataset {
    private let folder: ImageFolder

    public init(_ folder: ImageFolder) { self.folder = folder }

    public var count: Int { folder.count }
    public var classNames: [String] { folder.classNames }
    public var channels: Int { 3 }
    /// nil: the files' sizes are not known before they are read.
    public var uniformSize: ImageSize? { nil }

    public func label(at index: Int) -> Int { folder.labels[index] }

    public func image(at index: Int) throws -> PixelImage { try ImageDecoder.read(folder.paths[index]) }

    /// As the protocol says; what `body` finds wrong with the image is then an error of its file.
    public func withPixels<Result>(at index: Int, _ body: (PixelView) throws -> Result) throws -> Result {
        do {
            return try image(at: index).withView(body)
        } catch let error as DataError {
            throw FormatError(file: folder.paths[index], reason: error.reason)
        }
    }
}
