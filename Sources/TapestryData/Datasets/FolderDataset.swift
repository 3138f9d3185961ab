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

    public func label(at index: Int) -> Int { folder.label(at: index) }

    public func image(at index: Int) throws -> PixelImage { try ImageDecoder.read(folder.path(at: index)) }

    /// As the protocol says; what `body` finds wrong with the image is then an error of its file.
    public func withPixels<Result>(at index: Int, _ body: (PixelView) throws -> Result) throws -> Result {
        try blamingFile(at: index) { path in try ImageDecoder.read(path).withView(body) }
    }

    /// Likewise.
    public func withPixels<Result>(
        at index: Int, choosing choose: (ImageSize) throws -> PixelRegion, _ body: (PixelView) throws -> Result
    ) throws -> Result {
        try blamingFile(at: index) { path in
            try ImageDecoder.readPart(of: path) { height, width in
                try choose(ImageSize(height: height, width: width))
            }.withView(body)
        }
    }

    private func blamingFile<Result>(at index: Int, _ body: (String) throws -> Result) throws -> Result {
        let path = folder.path(at: index)
        do {
            return try body(path)
        } catch let error as DataError {
            throw FormatError(file: path, reason: error.reason)
        }
    }
}
