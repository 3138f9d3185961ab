import TapestryCore
import Testing

/// How far two numbers may be apart: `absolute` plus `relative` times the magnitude of the expected one.
public struct Tolerance: Sendable {
    public let absolute: Double
    public let relative: Double

    public init(absolute: Double = 0, relative: Double = 0) {
        self.absolute = absolute
        self.relative = relative
    }

    /// What double precision allows where only the order of a few additions differs.
    public static let rounding = Tolerance(absolute: 1e-12, relative: 1e-12)

    /// What single precision allows a network's logits of that root mean square.
    public static func logits(rms: Double) -> Tolerance { Tolerance(absolute: 1e-4 * (1 + rms)) }

    func allows(_ actual: Double, _ expected: Double) -> Bool {
        actual == expected || abs(actual - expected) <= absolute + relative * abs(expected)
    }
}

/// Records one issue, with the worst element, unless shapes are equal and all elements close. NaN is close to nothing.
public func expectClose<A: BinaryFloatingPoint, B: BinaryFloatingPoint>(
    _ actual: Tensor<A>, _ expected: Tensor<B>, within tolerance: Tolerance, _ comment: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard actual.shape == expected.shape else {
        Issue.record(
            "\(comment()) has shape \(actual.shape), expected \(expected.shape)", sourceLocation: sourceLocation)
        return
    }
    let pairs = zip(actual.elements, expected.elements).map { (Double($0), Double($1)) }
    let wrong = pairs.indices.filter { !tolerance.allows(pairs[$0].0, pairs[$0].1) }
    guard let first = wrong.first else { return }
    let worst = wrong.max { abs(pairs[$0].0 - pairs[$0].1) < abs(pairs[$1].0 - pairs[$1].1) } ?? first
    Issue.record(
        """
        \(comment()) \(wrong.count) of \(pairs.count) elements differ; first [\(first)] \(pairs[first].0), expected \
        \(pairs[first].1); worst [\(worst)] \(pairs[worst].0), expected \(pairs[worst].1)
        """, sourceLocation: sourceLocation)
}

public func expectClose(
    _ actual: Double, _ expected: Double, within tolerance: Tolerance, _ comment: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    expectClose(
        Tensor(shape: [], elements: [actual]), Tensor(shape: [], elements: [expected]), within: tolerance, comment(),
        sourceLocation: sourceLocation)
}
