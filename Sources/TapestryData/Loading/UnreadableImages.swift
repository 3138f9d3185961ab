import TapestryFormats

/// An image that was asked for and could not be read.
public struct UnreadableImage: Codable, Hashable, Sendable {
    public let file: String
    public let reason: String
    /// Of the process that asked for it, where several share a run.
    public var rank: Int?

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
    public var description: String { (rank.map { "rank \($0): " } ?? "") + "\(file): \(reason)" }
}

extension FormatError {
    fileprivate var place: String { offset.map { "at byte \($0): " } ?? "" }
}

/// What a loader does where images cannot be read.
public enum UnreadableImagePolicy: Hashable, Sendable {
    /// Throws in the first one's turn.
    case refuse
    /// Does without them, and says in each batch which they were. For training, the next image of the data set that can be
    /// read takes the place of one that cannot, so that batches keep their size; in evaluation they are left out. Either
    /// depends on the files alone, not on threads, resumption or other batches. A batch in which more than `limit` were
    /// found need not be whole.
    case skip(limit: Int)

    func isExceeded(by images: [UnreadableImage]) -> Bool {
        guard case .skip(let limit) = self else { return false }
        return images.count > limit && Set(images.map(\.file)).count > limit
    }
}

/// Counts the images that cannot be read, each once, and ends the work when they are too many.
///
/// Where several processes share the work, each `keep`s those that it meets until all meet; then all `add` what all have
/// kept, so that they count the same and end for the same reason.
public final class UnreadableImages {
    /// How many may be where nothing else is asked for.
    public static let defaultLimit = 100

    public let limit: Int
    private let notice: (UnreadableImage) -> Void
    private var files: Set<String> = []
    /// Those that are not counted yet, each once, in the order in which they were met.
    public private(set) var kept: [UnreadableImage] = []

    /// Tells `notice` of each image the first time that it is found.
    public init(limit: Int = UnreadableImages.defaultLimit, notice: @escaping (UnreadableImage) -> Void = { _ in }) {
        self.limit = limit
        self.notice = notice
    }

    public var count: Int { files.count }

    /// What the loader is to do whose batches are counted here, those of one process.
    public var policy: UnreadableImagePolicy { limit == 0 ? .refuse : sharedPolicy }

    /// As `policy`, where an image that cannot be read must not end one process before the others know.
    public var sharedPolicy: UnreadableImagePolicy { .skip(limit: limit) }

    /// Whether those that are counted and kept are more than the limit.
    public var areTooMany: Bool { files.count + kept.count > limit }

    /// Keeps those of a batch that are new, to be counted later.
    public func keep(_ images: [UnreadableImage]) {
        for image in images where !files.contains(image.file) && !kept.contains(where: { $0.file == image.file }) {
            kept.append(image)
        }
    }

    /// Counts those of a batch, and drops what was kept. Throws: `FormatError` for the first one beyond the limit.
    public func add(_ images: [UnreadableImage]) throws(FormatError) {
        kept = []
        for image in images where files.insert(image.file).inserted {
            guard files.count <= limit else { throw Self.excess(image, limit: limit) }
            notice(image)
        }
    }

    private static func excess(_ image: UnreadableImage, limit: Int) -> FormatError {
        FormatError(
            file: image.file,
            reason: image.reason + (limit == 0 ? "" : "; more images cannot be read than the limit of \(limit)"))
    }
}
