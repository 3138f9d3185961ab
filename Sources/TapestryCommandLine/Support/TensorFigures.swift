import Foundation
import TapestryCore
import TapestryFormats

/// A tensor's values in a few figures.
struct TensorFigures {
    /// |x| at most this is near zero.
    static let nearZeroBound = 1e-5

    private(set) var count = 0
    private(set) var positive = 0
    private(set) var negative = 0
    private(set) var zero = 0
    /// Zeros included.
    private(set) var nearZero = 0
    /// Nil for an empty tensor and where a value is not finite.
    private(set) var mean: Double?
    /// Of the population; nil where the mean is.
    private(set) var standardDeviation: Double?

    init(_ tensor: StoredTensor) {
        switch tensor {
        case .float32(let tensor): measure(tensor.elements) { Double($0) }
        case .int64(let tensor): measure(tensor.elements) { Double($0) }
        case .int32(let tensor): measure(tensor.elements) { Double($0) }
        case .int16(let tensor): measure(tensor.elements) { Double($0) }
        case .int8(let tensor): measure(tensor.elements) { Double($0) }
        case .uint8(let tensor): measure(tensor.elements) { Double($0) }
        case .bool(let tensor): measure(tensor.elements) { $0 ? 1 : 0 }
        }
    }

    private mutating func measure<Scalar>(_ elements: [Scalar], _ value: (Scalar) -> Double) {
        count = elements.count
        var sum = 0.0
        for element in elements {
            let x = value(element)
            sum += x
            if x > 0 { positive += 1 } else if x < 0 { negative += 1 } else if x == 0 { zero += 1 }
            if abs(x) <= Self.nearZeroBound { nearZero += 1 }
        }
        let mean = sum / Double(count)
        guard mean.isFinite else { return }
        // A second pass, because a difference of large sums would lose the digits of a small deviation.
        let squares = elements.reduce(0) { $0 + (value($1) - mean) * (value($1) - mean) }
        self.mean = mean
        standardDeviation = (squares / Double(count)).squareRoot()
    }
}
