/// A request that the data cannot fulfil, such as a crop that is larger than the images.
public struct DataError: Error, Equatable, Sendable {
    public let reason: String

    public init(_ reason: String) { self.reason = reason }
}

extension DataError: CustomStringConvertible {
    public var description: String { reason }
}
