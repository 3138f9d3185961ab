/// Images of one size with their labels, in memory.
public struct LabelledImages: Equatable, Sendable {
    public let height: Int
    public let width: Int
    public let channels: Int
    /// The pixels, image after image, each height x width x channels.
    public let pixels: [UInt8]
    /// A class index for each image.
    public let labels: [UInt8]
    public let classNames: [String]

    /// Preconditions: as many pixels as the extents say, and every label below `classNames.count`.
    public init(height: Int, width: Int, channels: Int, pixels: [UInt8], labels: [UInt8], classNames: [String]) {
        precondition(pixels.count == labels.count * height * width * channels)
        precondition(labels.allSatisfy { Int($0) < classNames.count })
        self.height = height
        self.width = width
        self.channels = channels
        self.pixels = pixels
        self.labels = labels
        self.classNames = classNames
    }

    public var count: Int { labels.count }
}

/// Which part of a data set.
public enum Split: String, CaseIterable, Codable, Sendable {
    case train
    case test
}
