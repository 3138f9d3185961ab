/// A dense row-major tensor in host memory.
public struct Tensor<Scalar: Sendable>: Sendable {
    public let shape: Shape
    public var elements: [Scalar]

    /// Precondition: `elements.count == shape.count`.
    public init(shape: Shape, elements: [Scalar]) {
        precondition(elements.count == shape.count, "\(elements.count) elements for shape \(shape)")
        self.shape = shape
        self.elements = elements
    }

    public init(shape: Shape, repeating value: Scalar) {
        self.init(shape: shape, elements: Array(repeating: value, count: shape.count))
    }

    /// The same elements under another shape of the same count.
    public func reshaped(to shape: Shape) -> Tensor { Tensor(shape: shape, elements: elements) }

    public func map<Result: Sendable>(_ transform: (Scalar) throws -> Result) rethrows -> Tensor<Result> {
        Tensor<Result>(shape: shape, elements: try elements.map(transform))
    }
}

extension Tensor: Equatable where Scalar: Equatable {}
