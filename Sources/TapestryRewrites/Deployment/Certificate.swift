import TapestryCore

/// The evidence that two networks compute the same: both run in double precision, by the reference interpreter, on the
/// same inputs.
public struct Certificate: Codable, Hashable, Sendable {
    /// Inputs of uniform random values in -2 to 2.
    public let randomInputs: Int
    /// Inputs that are images.
    public let images: Int
    /// Of all outputs of all inputs.
    public private(set) var largestAbsoluteDifference: Double
    /// The largest difference of an input's outputs as a share of the largest of their magnitudes.
    public private(set) var largestRelativeDifference: Double
    /// The share of inputs, in per cent, whose largest output is the same one; where several are equal within the bound,
    /// any of them.
    public private(set) var top1Agreement: Double
    /// What the relative difference may be.
    public let bound: Double

    /// What rounding weights to 32 bits leaves in a sound conversion, with a wide margin.
    public static let defaultBound = 1e-5

    /// Whether the networks are equivalent on the inputs. Differences that are not numbers hold nothing.
    public var holds: Bool { largestRelativeDifference <= bound && top1Agreement == 100 }

    private enum CodingKeys: String, CodingKey {
        case images, bound
        case randomInputs = "random_inputs"
        case largestAbsoluteDifference = "largest_absolute_difference"
        case largestRelativeDifference = "largest_relative_difference"
        case top1Agreement = "top1_agreement"
    }
}

extension Certificate {
    /// Runs both networks on `randomInputs` random inputs and on `images` (C x H x W each). `advance` is called
    /// after each.
    ///
    /// Throws `GraphError` where a network cannot be run or they take different inputs, and what `advance` throws.
    public static func compare(
        _ a: Model, _ b: Model, randomInputs: Int, images: [Tensor<Float>] = [], bound: Double = defaultBound,
        advance: () throws -> Void = {}
    ) async throws -> Certificate {
        let first = try ReferenceInterpreter(a.graph, weights: a.weights)
        let second = try ReferenceInterpreter(b.graph, weights: b.weights)
        let shape = a.graph.inputShape
        let random = (0..<randomInputs).map { index in
            var stream = RandomStream(seed: 0, purpose: .certificate, UInt64(index))
            return Tensor(
                shape: shape, elements: (0..<shape.count).map { _ in Float(stream.uniform(in: -2...2)) })
        }
        var certificate = Certificate(
            randomInputs: randomInputs, images: images.count, largestAbsoluteDifference: 0,
            largestRelativeDifference: 0, top1Agreement: 0, bound: bound)
        var (done, agreeing) = (0, 0)
        try await withThrowingTaskGroup(of: (difference: Difference, agrees: Bool).self) { group in
            for input in random + images {
                group.addTask {
                    let batch = input.map(Double.init).reshaped(to: Shape([1] + input.shape.dimensions))
                    let difference = Difference(try first(batch).elements, try second(batch).elements)
                    return (difference, difference.topIsShared(within: bound))
                }
            }
            for try await (difference, agrees) in group {
                certificate.add(difference)
                if agrees { agreeing += 1 }
                done += 1
                try advance()
            }
        }
        certificate.top1Agreement = 100 * Double(agreeing) / Double(max(done, 1))
        return certificate
    }

    /// The two as one: of parts of a network, or of other inputs.
    public func merged(with other: Certificate) -> Certificate {
        var merged = Certificate(
            randomInputs: randomInputs + other.randomInputs, images: images + other.images,
            largestAbsoluteDifference: larger(largestAbsoluteDifference, other.largestAbsoluteDifference),
            largestRelativeDifference: larger(largestRelativeDifference, other.largestRelativeDifference),
            top1Agreement: top1Agreement, bound: max(bound, other.bound))
        let (count, otherCount) = (Double(randomInputs + images), Double(other.randomInputs + other.images))
        merged.top1Agreement = (top1Agreement * count + other.top1Agreement * otherCount) / max(count + otherCount, 1)
        return merged
    }

    private mutating func add(_ difference: Difference) {
        largestAbsoluteDifference = larger(largestAbsoluteDifference, difference.absolute)
        largestRelativeDifference = larger(largestRelativeDifference, difference.relative)
    }
}

/// `max` would lose a difference that is not a number.
private func larger(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : max(a, b) }

/// How two networks' outputs for one input differ.
private struct Difference {
    private let first: [Double]
    private let second: [Double]
    let absolute: Double
    private let scale: Double

    /// 0 for two outputs of zeros.
    var relative: Double { absolute == 0 ? 0 : absolute / scale }

    init(_ first: [Double], _ second: [Double]) {
        (self.first, self.second) = (first, second)
        guard first.count == second.count, (first + second).allSatisfy(\.isFinite) else {
            (absolute, scale) = (.nan, .nan)
            return
        }
        absolute = zip(first, second).reduce(0) { max($0, abs($1.0 - $1.1)) }
        scale = first.reduce(0) { max($0, abs($1)) }
    }

    func topIsShared(within bound: Double) -> Bool {
        guard let top = second.indices.max(by: { second[$0] < second[$1] }), first.indices.contains(top),
            let largest = first.max()
        else { return false }
        return first[top] >= largest - 2 * bound * scale
    }
}
