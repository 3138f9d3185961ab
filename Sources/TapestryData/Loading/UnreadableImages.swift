import TapestryFormats

/// An image that was asked for and could not be read.
public struct UnreadableImage: Hashable, Sendable {
    public let file: String
    public let reason: String

    /// Nil for an error that says nothing about one image's file.
    init?(_ error: any Error) {
        switch error {
        case let error as FormatError: (file, reason) = (error.file, error.place + error.reason)
        case let error as InputNotFound: (file, reason) = (error.path, error.remedy)
        default: return nil
        }
    }
}

extension UnreadableImage: CustomStringConvertible {
    public var description: String { "\(file): \(reason)" }
}

extension FormatError {
    fileprivate var place: String { offset.map { "at byte \($0): " } ?? "" }
}

/// What a loader does where images cannot be read.
public enum UnreadableImagePolicy: Hashable, Sendable {
    /// Throws in the first one's turn.
    case refuse
    /// Does without them as long as they are at most `limit`, and says in each batch which they were. For training, the
    /// next image of the data set that can be read takes the place of one that cannot, so that batches keep their size;
    /// in evaluation they are left out. Either depends on the files alone, not on threads, resumption or other batches.
    case skip(limit: Int)
}

/// Counts the images that cannot be read, each once, and ends the work when they are too many.
public final class UnreadableImages {
    /// How many may be where nothing else is asked for.
    public static let defaultLimit = 100

    public let limit: Int
    private let notice: (UnreadableImage) -> Void
    private var files: Set<String> = []

    /// Tells `notice` of each image the first time that it is found.
    public init(limit: Int = UnreadableImages.defaultLimit, notice: @escaping (UnreadableImage) -> Void = { _ in }) {
        self.limit = limit
        self.notice = notice
    }

    public var count: Int { files.count }

    /// What the loader is to do whose batches are counted here.
    public var policy: UnreadableImagePolicy { .skip(limit: limit) }

    /// Counts those of a batch. Throws: `FormatError` for the first one beyond the limit.
    public func add(_ images: [UnreadableImage]) throws(FormatError) {
        for image in images where files.insert(image.file).inserted {
            guard files.count <= limit else { throw Self.excess(image, limit: limit) }
            notice(image)
        }
    }

    static func excess(_ image: UnreadableImage, limit: Int) -> FormatError {
        FormatError(
            file: image.file,
            reason: image.reason + (limit == 0 ? "" : "; more images cannot be read than the limit of \(limit)"))
    }
}
