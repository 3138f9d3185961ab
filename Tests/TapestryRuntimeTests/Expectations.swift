import TapestryCore
import TapestryTestSupport
import Testing

/// Logits within what is promised of single precision: 1e-5 of the largest.
func expectLogits(
    _ actual: Tensor<Float>, _ expected: Tensor<Double>, _ comment: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let largest = expected.elements.map(abs).max() ?? 0
    expectClose(
        actual, expected, within: Tolerance(absolute: 1e-5 * largest + 1e-7), comment(), sourceLocation: sourceLocation)
}

extension Tensor {
    /// Some of its images.
    func part(_ images: Range<Int>) -> Tensor {
        let size = shape.count / shape[0]
        return Tensor(
            shape: Shape([images.count] + shape.dimensions.dropFirst()),
            elements: Array(elements[images.lowerBound * size..<images.upperBound * size]))
    }
}

extension RandomStream {
    mutating func images(_ count: Int, for graph: Graph) -> Tensor<Float> {
        tensor(Shape([count] + graph.inputShape.dimensions)).map { Float($0) }
    }

    /// Convolutions whose supports change every 4 or 8 outputs, with a residual sum, among dense ones.
    mutating func narrowGroups() throws -> Graph {
        let (width, groups, side) = (16 * integer(in: 1...2), integer(in: 2...4), integer(in: 9...24))
        let sets = try (0..<(groups == 3 ? 2 : groups)).map { _ in
            try TapSet(numbers: Array(permutation(of: 9).prefix(integer(in: 1...4))).map { $0 + 1 })
        }
        func convolution(_ support: Support) -> Operation {
            .convolution(
                Convolution(
                    inputChannels: width, outputChannels: width, kernel: .square(3), padding: .all(1), hasBias: true,
                    support: support))
        }
        return try Graph.build(input: [3, side, side + integer(in: 0...3)]) { image in
            let x = image.convolution("first", to: width, kernel: 3, padding: 1).relu()
            return x.applying(convolution(.tapSets(sets)), named: "sets").relu()
                .applying(convolution(.blockDiagonal(parts: 4)), named: "blocks").adding(x, named: "sum").swish("swish")
                .maxPool("pool", kernel: 2)
                .applying(convolution(.tapSets(sets)), named: "sets2").relu()
        }
    }

    /// A convolution of up to 70 outputs on any support, with a residual sum where shapes admit one, then an activation.
    mutating func wideLayer() throws -> Graph {
        let (inputs, side) = (integer(in: 1...40), integer(in: 1...18))
        let groups = chance(0.2) ? inputs : 1
        let outputs = groups == 1 ? integer(in: 1...70) : inputs * integer(in: 1...2)
        let kernel = integer(in: 1...3)
        let stride = kernel > side ? 1 : integer(in: 1...2)
        var convolution = Convolution(
            inputChannels: inputs, outputChannels: outputs, kernel: .square(kernel), stride: .square(stride),
            padding: .all(kernel / 2), groups: groups, hasBias: chance(0.5))
        convolution.support = support(of: convolution)
        let adds = stride == 1 && outputs == inputs && kernel % 2 == 1
        return try Graph.build(input: [inputs, side, side]) { image in
            let y = image.applying(.convolution(convolution), named: "layer")
            let sum = adds ? y.adding(image, named: "sum") : y
            return chance(0.5) ? sum.relu() : sum.swish("swish")
        }
    }

    /// Convolutions that keep the size, of any kernel and dilation, with sums and activations, for weights with zeros.
    mutating func sparseLayers() throws -> Graph {
        let (width, rows, columns) = (integer(in: 1...40), integer(in: 1...20), integer(in: 2...36))
        func convolution() -> Operation {
            let (kernel, dilation) = (2 * integer(in: 0...2) + 1, integer(in: 1...2))
            return .convolution(
                Convolution(
                    inputChannels: width, outputChannels: width, kernel: .square(kernel),
                    padding: .all(kernel / 2 * dilation), dilation: .square(dilation), hasBias: chance(0.5)))
        }
        let operations = (convolution(), convolution(), convolution())
        return try Graph.build(input: [width, rows, columns]) { image in
            let x = image.applying(operations.0, named: "first").relu()
            return x.applying(operations.1, named: "second").swish("swish")
                .applying(operations.2, named: "third").adding(x, named: "sum").relu()
        }
    }

    /// The weights with zeros among those of convolutions, each weight being kept with the probability.
    mutating func pruned(_ weights: Weights, keeping share: Double) -> Weights {
        var weights = weights
        for (name, tensor) in weights.tensors.sorted(by: { $0.key < $1.key }) where tensor.shape.rank == 4 {
            weights.tensors[name]?.elements = tensor.elements.map { chance(share) ? $0 : 0 }
        }
        return weights
    }
}
