/// Images ready for a network, with their labels.
public struct Batch: Equatable, Sendable {
    /// Normalised, count x height x width x channels (NHWC).
    public let images: [Float]
    public let count: Int
    public let height: Int
    public let width: Int
    public let channels: Int
    /// The class index of each image.
    public let labels: [Int64]
    /// The place of the first image in the order that the loader was given.
    public let firstIndex: Int
}
