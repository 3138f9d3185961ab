/// A dense row-major tensor in host memory.
///
/// What goes through its elements is inlinable, as other modules would otherwise run it unspecialised, a hundred times
/// slower.
public struct Tensor<Scalar: Sendable>: Sendable {
    public let shape: Shape
    public var elements: [Scalar]

    /// Precondition: `elements.count == shape.count`.
    @inlinable
    public init(shape: Shape, elements: [Scalar]) {
        precondition(elements.count == shape.count, "\(elements.count) elements for shape \(shape)")
        self.shape = shape
        self.elements = elements
    }

    @inlinable
    public init(shape: Shape, repeating value: Scalar) {
        self.init(shape: shape, elements: Array(repeating: value, count: shape.count))
    }

    /// The same elements under another shape of the same count.
    public func reshaped(to shape: Shape) -> Tensor { Tensor(shape: shape, elements: elements) }

    @inlinable
    public func map<Result: Sendable>(_ transform: (Scalar) throws -> Result) rethrows -> Tensor<Result> {
        Tensor<Result>(shape: shape, elements: try elements.map(transform))
    }
}

extension Tensor: Equatable where Scalar: Equatable {}
