import TapestryCore
import TapestryTestSupport
import Testing

/// Each operation on numbers small enough to work out by hand.
struct InterpreterOperationTests {
    private static func run(
        _ operation: TapestryCore.Operation, on images: Tensor<Double>, _ tensors: [String: [Float]] = [:],
        mode: ReferenceInterpreter.Mode = .evaluation
    ) throws -> Tensor<Double> {
        let shape = Shape(Array(images.shape.dimensions.dropFirst()))
        let graph = try Graph.build(input: shape) { $0.applying(operation, named: "it") }
        return try run(graph, on: images, tensors, mode: mode)
    }

    private static func run(
        _ graph: Graph, on images: Tensor<Double>, _ tensors: [String: [Float]] = [:],
        mode: ReferenceInterpreter.Mode = .evaluation
    ) throws -> Tensor<Double> {
        var weights = Weights()
        for parameter in graph.parameters {
            let elements = try #require(tensors[parameter.name])
            weights.tensors[parameter.name] = Tensor(shape: parameter.shape, elements: elements)
        }
        return try ReferenceInterpreter(graph, weights: weights, mode: mode)(images)
    }

    private static let counting = Tensor<Double>(shape: [1, 1, 3, 3], elements: (1...9).map { Double($0) })

    @Test func relu() throws {
        let x = Tensor<Double>(shape: [1, 1, 1, 3], elements: [-2, 0, 3])
        #expect(try Self.run(.relu, on: x).elements == [0, 0, 3])
    }

    @Test func sigmoidAndSwish() throws {
        let x = Tensor<Double>(shape: [1, 1, 1, 5], elements: [-800, -1, 0, 2, 800])
        let sigmoid = [0, 0.268_941_421_369_995_12, 0.5, 0.880_797_077_977_882_44, 1]
        let swish = [0, -0.268_941_421_369_995_12, 0, 1.761_594_155_955_764_88, 800]
        expectClose(try Self.run(.sigmoid, on: x), Tensor(shape: x.shape, elements: sigmoid), within: .rounding)
        expectClose(try Self.run(.swish, on: x), Tensor(shape: x.shape, elements: swish), within: .rounding)
    }

    @Test func scaleChannels() throws {
        let graph = try Graph.build(input: [2, 1, 2]) {
            $0.scalingChannels(by: $0.globalAveragePool(), named: "it")
        }
        let x = Tensor<Double>(shape: [2, 2, 1, 2], elements: [1, 3, 5, 7, -1, -3, 2, 2])
        #expect(try Self.run(graph, on: x).elements == [2, 6, 30, 42, 2, 6, 4, 4])
    }

    @Test func affine() throws {
        let tensors: [String: [Float]] = ["it.weight": [2, -1], "it.bias": [1, 0.5]]
        let images = Tensor<Double>(shape: [2, 2, 1, 2], elements: [1, 3, 5, 7, -1, -3, 2, 0])
        #expect(
            try Self.run(.affine(channels: 2), on: images, tensors).elements == [3, 7, -4.5, -6.5, -1, -5, -1.5, 0.5])
        let graph = try Graph.build(input: [2, 1, 2]) { $0.globalAveragePool().affine("it") }
        #expect(try Self.run(graph, on: images, tensors, mode: .training).elements == [5, -5.5, -3, -0.5])
    }

    /// The first nine channels read each the tap of its number; the tenth stays.
    @Test func shift() throws {
        let x = Tensor<Double>(shape: [1, 10, 3, 3], elements: (0..<90).map { Double($0 % 9 + 1) })
        let y = try Self.run(.shift(Shift()), on: x).elements
        #expect(Array(y[0..<9]) == [0, 0, 0, 0, 1, 2, 0, 4, 5])
        #expect(Array(y[9..<18]) == [0, 0, 0, 1, 2, 3, 4, 5, 6])
        #expect(Array(y[45..<54]) == [2, 3, 0, 5, 6, 0, 8, 9, 0])
        #expect(Array(y[81..<90]) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        let far = try Self.run(.shift(Shift(kernel: 3, dilation: 2)), on: x).elements
        #expect(Array(far[0..<9]) == [0, 0, 0, 0, 0, 0, 0, 0, 1])
    }

    @Test func dropoutIsForTrainingOnly() throws {
        let x = Tensor<Double>(shape: [1, 1, 1, 2], elements: [1, 2])
        #expect(try Self.run(.dropout(probability: 0.5), on: x).elements == [1, 2])
        #expect(try Self.run(.dropBranch(probability: 0.5), on: x).elements == [1, 2])
    }

    @Test func maxPool() throws {
        let pooling = Pooling(kernel: .square(2), stride: .square(1))
        #expect(try Self.run(.maxPool(pooling), on: Self.counting).elements == [5, 6, 8, 9])
        #expect(try Self.run(.maxPool(Pooling(kernel: .square(2))), on: Self.counting).elements == [5])
        // Padding is no value: negative ones win over it.
        let padded = Pooling(kernel: .square(3), stride: .square(2), padding: .all(1))
        let value = try Self.run(.maxPool(padded), on: Self.counting.map { -$0 })
        #expect(value.elements == [-1, -2, -4, -5])
    }

    @Test func averagePool() throws {
        let pooling = Pooling(kernel: .square(2), stride: .square(1))
        #expect(try Self.run(.averagePool(pooling), on: Self.counting).elements == [3, 4, 6, 7])
        // Padding counts: the first window holds 1 and three zeros.
        let padded = Pooling(kernel: .square(2), padding: .all(1))
        #expect(try Self.run(.averagePool(padded), on: Self.counting).elements == [0.25, 1.25, 2.75, 7])
        let tall = Pooling(kernel: Size(height: 3, width: 1))
        #expect(try Self.run(.averagePool(tall), on: Self.counting).elements == [4, 5, 6])
    }

    @Test func globalAveragePool() throws {
        let x = Tensor<Double>(shape: [2, 2, 1, 2], elements: [1, 3, 5, 7, 2, 2, -1, 1])
        let value = try Self.run(.globalAveragePool, on: x)
        #expect(value == Tensor(shape: [2, 2], elements: [2, 6, 2, 0]))
    }

    @Test func addition() throws {
        let graph = try Graph.build(input: [1, 1, 2]) { $0.relu("relu").adding($0, named: "sum") }
        let x = Tensor<Double>(shape: [1, 1, 1, 2], elements: [-2, 3])
        #expect(try Self.run(graph, on: x).elements == [-2, 6])
    }

    @Test func channelPadding() throws {
        let x = Tensor<Double>(shape: [2, 1, 1, 2], elements: [1, 2, 3, 4])
        let value = try Self.run(.padChannels(before: 1, after: 2), on: x)
        #expect(value == Tensor(shape: [2, 4, 1, 2], elements: [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0]))
    }

    @Test func stopGradientIsTheIdentity() throws {
        #expect(try Self.run(.stopGradient, on: Self.counting) == Self.counting)
    }

    @Test func flattenKeepsTheOrder() throws {
        let x = Tensor<Double>(shape: [2, 2, 1, 2], elements: [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try Self.run(.flatten, on: x) == Tensor(shape: [2, 4], elements: x.elements))
        let none = Tensor<Double>(shape: [0, 2, 1, 2], elements: [])
        #expect(try Self.run(.flatten, on: none).shape == [0, 4])
    }

    @Test func linear() throws {
        let graph = try Graph.build(input: [2, 1, 1]) { $0.flatten().linear("fc", to: 3) }
        let x = Tensor<Double>(shape: [2, 2, 1, 1], elements: [1, 10, 2, 20])
        let weights: [String: [Float]] = ["fc.weight": [1, 2, 3, 4, 5, 6], "fc.bias": [0.5, 0, -0.5]]
        #expect(
            try Self.run(graph, on: x, weights) == Tensor(shape: [2, 3], elements: [21.5, 43, 64.5, 42.5, 86, 129.5]))
    }

    @Test func batchNormUsesTheRunningStatisticsInEvaluation() throws {
        let norm = BatchNorm(channels: 2, epsilon: 1)
        let x = Tensor<Double>(shape: [1, 2, 1, 2], elements: [1, 5, 10, 20])
        let weights: [String: [Float]] = [
            "it.weight": [2, 1], "it.bias": [0.5, -1], "it.running_mean": [1, 10], "it.running_var": [3, 24],
        ]
        #expect(try Self.run(.batchNorm(norm), on: x, weights).elements == [0.5, 4.5, -1, 1])
    }

    /// Over the batch and all positions, with the biased variance: values -1, 1, 3, 5 have mean 2 and variance 5.
    @Test func batchNormUsesTheBatchInTraining() throws {
        let x = Tensor<Double>(shape: [2, 1, 1, 2], elements: [-1, 1, 3, 5])
        let weights: [String: [Float]] = [
            "it.weight": [3], "it.bias": [1], "it.running_mean": [100], "it.running_var": [100],
        ]
        let norm = BatchNorm(channels: 1, epsilon: 4)
        let value = try Self.run(.batchNorm(norm), on: x, weights, mode: .training)
        expectClose(value, Tensor<Double>(shape: x.shape, elements: [-2, 0, 2, 4]), within: .rounding)
    }

    @Test func batchNormOnVectors() throws {
        let graph = try Graph.build(input: [2, 1, 1]) { $0.flatten().batchNorm("it") }
        let x = Tensor<Double>(shape: [2, 2, 1, 1], elements: [1, 3, 3, 7])
        let weights: [String: [Float]] = [
            "it.weight": [1, 1], "it.bias": [0, 0], "it.running_mean": [0, 0], "it.running_var": [1, 1],
        ]
        let value = try Self.run(graph, on: x, weights, mode: .training)
        let expected = Tensor<Double>(shape: [2, 2], elements: [-1, -1, 1, 1])
        expectClose(value, expected, within: Tolerance(absolute: 1e-5))
    }

    @Test func imagesOfAnotherShapeAreRefused() throws {
        let graph = try Graph.build(input: [2, 4, 4]) { $0.relu("it") }
        let interpreter = try ReferenceInterpreter(graph, weights: Weights())
        for shape in [[2, 4, 4], [1, 2, 4, 5], [1, 3, 4, 4], []] as [Shape] {
            let error = #expect(throws: GraphError.self) { try interpreter(Tensor(shape: shape, repeating: 0)) }
            #expect(error?.node == Graph.inputName)
        }
    }

    /// A batch is its images one by one, in evaluation.
    @Test func imagesDoNotSeeEachOther() throws {
        try RandomRounds.run(20) { random in
            let graph = random.graph()
            let weights = random.weights(for: graph)
            let batch = random.tensor(Shape([3] + graph.inputShape.dimensions))
            let interpreter = try ReferenceInterpreter(graph, weights: weights)
            let whole = try interpreter(batch)
            let size = graph.inputShape.count
            let single = try (0..<3).flatMap { index in
                try interpreter(
                    Tensor(
                        shape: Shape([1] + graph.inputShape.dimensions),
                        elements: Array(batch.elements[index * size..<(index + 1) * size]))
                ).elements
            }
            #expect(whole.elements == single)
            #expect(whole.elements.allSatisfy { $0.isFinite })
        }
    }
}
