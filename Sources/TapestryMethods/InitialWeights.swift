import Foundation
import TapestryCore

extension Weights {
    /// The starting values that the graph asks for. Each parameter draws from a stream of its own, named by `seed` and
    /// its place in the state dict.
    public static func initial(for graph: Graph, seed: UInt64) -> Weights {
        filled(graph) { index, parameter in
            var stream = RandomStream(seed: seed, purpose: .initialWeights, UInt64(index))
            return parameter.initialValues(&stream)
        }
    }

    /// Weights from a formula instead of random numbers, equal in every program that knows it: for comparing
    /// implementations without exchanging files.
    ///
    /// With h a hash of the parameter's place p in the state dict and the element's row-major index i, and
    /// u = h / 2^32 - 1/2: weights 2 u sqrt(2 / fan-in) `gain`, batch-norm weights 1 + u/5, biases and running means
    /// u/5, running variances 1 + 2u/5.
    public static func hashed(for graph: Graph, gain: Double = 1) -> Weights {
        filled(graph) { index, parameter in
            let bound = 2 * (2 / Double(max(parameter.fanIn, 1))).squareRoot() * gain
            let (offset, scale): (Double, Double) =
                switch parameter.role {
                case .convolutionWeight, .linearWeight: (0, bound)
                case .batchNormWeight, .scale: (1, 0.2)
                case .bias, .batchNormBias, .runningMean: (0, 0.2)
                case .runningVariance: (1, 0.4)
                }
            return (0..<parameter.shape.count).map {
                Float(offset + scale * HashRule.value(parameter: index, element: $0))
            }
        }
    }

    private static func filled(_ graph: Graph, _ values: (Int, Parameter) -> [Float]) -> Weights {
        var weights = Weights()
        for (index, parameter) in graph.parameters.enumerated() {
            weights.tensors[parameter.name] = Tensor(shape: parameter.shape, elements: values(index, parameter))
        }
        for name in graph.nodes.compactMap(\.batchCountName) { weights.batchCounts[name] = 0 }
        return weights
    }
}

/// The hash behind `Weights.hashed(for:gain:)` and the inputs that go with it.
public enum HashRule {
    /// u in [-1/2, 1/2) for element `element` of parameter `parameter`.
    public static func value(parameter: Int, element: Int) -> Double {
        var hash = UInt32(truncatingIfNeeded: parameter &* 1_000_003 &+ element &* 7919 &+ 12345)
        hash ^= hash >> 16
        hash = hash &* 0x45d9f3b
        hash ^= hash >> 16
        return Double(hash) / 0x1p32 - 0.5
    }

    /// A batch of images, 4u: element by element, NCHW, under parameter number `parameter`.
    public static func images(_ shape: Shape, parameter: Int = 999) -> Tensor<Float> {
        Tensor(shape: shape, elements: (0..<shape.count).map { Float(4 * value(parameter: parameter, element: $0)) })
    }
}

extension Parameter {
    fileprivate func initialValues(_ stream: inout RandomStream) -> [Float] {
        let fanIn = Double(max(self.fanIn, 1))
        switch initialization {
        case .constant(let value): return Array(repeating: Float(value), count: shape.count)
        case .normal(let deviation): return normalValues(deviation, &stream)
        case .fanOutNormal: return normalValues((2 / Double(max(fanOut, 1))).squareRoot(), &stream)
        case .fanInNormal: return normalValues((2 / fanIn).squareRoot(), &stream)
        case .unitUniform: return (0..<shape.count).map { _ in Float(stream.uniform(in: 0...1)) }
        case .fanInUniform:
            let bound = 1 / fanIn.squareRoot()
            return (0..<shape.count).map { _ in Float(stream.uniform(in: -bound...bound)) }
        }
    }

    /// Normal values by Box and Muller's transform, two from two uniform ones.
    private func normalValues(_ deviation: Double, _ stream: inout RandomStream) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(shape.count + 1)
        while values.count < shape.count {
            // 1 - u is in (0, 1], where the logarithm is finite.
            let radius = deviation * (-2 * log(1 - stream.uniform())).squareRoot()
            let angle = 2 * Double.pi * stream.uniform()
            values.append(Float(radius * cos(angle)))
            values.append(Float(radius * sin(angle)))
        }
        if values.count > shape.count { values.removeLast() }
        return values
    }
}
