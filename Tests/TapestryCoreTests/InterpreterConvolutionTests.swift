import TapestryCore
import TapestryTestSupport
import Testing

struct InterpreterConvolutionTests {
    /// The value of a network that is this convolution alone.
    private static func run(
        _ convolution: Convolution, stored: [Tensor<Float>], bias: Tensor<Float>? = nil, on images: Tensor<Double>
    ) throws -> Tensor<Double> {
        let shape = Shape(Array(images.shape.dimensions.dropFirst()))
        let graph = try Graph.build(input: shape) { $0.applying(.convolution(convolution), named: "it") }
        var weights = Weights()
        for ((suffix, _), tensor) in zip(convolution.storedWeights, stored) { weights.tensors["it.\(suffix)"] = tensor }
        weights.tensors["it.bias"] = bias
        return try ReferenceInterpreter(graph, weights: weights)(images)
    }

    @Test(arguments: try! ASKLayerCase.all())
    func publishedLayers(layer: ASKLayerCase) throws {
        let tensors = try ASKLayerCase.tensors()
        let (x, y) = (try #require(tensors["\(layer.name).x"]), try #require(tensors["\(layer.name).y"]))
        let value = try Self.run(layer.convolution, stored: layer.storedWeights(tensors), on: x.map(Double.init))
        expectClose(value, y, within: Tolerance(absolute: 1e-5), layer.name)
    }

    /// The formula in `Convolution`'s comment, element by element, on the dense kernel.
    private static func formula(
        _ convolution: Convolution, _ kernel: Tensor<Double>, _ bias: Tensor<Double>?, _ x: Tensor<Double>, rows: Int,
        columns: Int
    ) -> Tensor<Double> {
        let perGroup = convolution.channelsPerGroup
        func input(_ n: Int, _ c: Int, _ i: Int, _ j: Int) -> Double {
            guard (0..<x.shape[2]).contains(i), (0..<x.shape[3]).contains(j) else { return 0 }
            return x.elements[((n * x.shape[1] + c) * x.shape[2] + i) * x.shape[3] + j]
        }
        var y: [Double] = []
        for n in 0..<x.shape[0] {
            for o in 0..<convolution.outputChannels {
                let group = o / (convolution.outputChannels / convolution.groups)
                for (i, j) in (0..<rows).flatMap({ i in (0..<columns).map { (i, $0) } }) {
                    var sum = bias?.elements[o] ?? 0
                    for c in 0..<perGroup {
                        for tap in Tap.all(of: convolution.kernel) {
                            let row = i * convolution.stride.height - convolution.padding.top
                            let column = j * convolution.stride.width - convolution.padding.left
                            sum +=
                                kernel.elements[convolution.densePosition(o, c, tap)]
                                * input(
                                    n, group * perGroup + c, row + tap.row * convolution.dilation.height,
                                    column + tap.column * convolution.dilation.width)
                        }
                    }
                    y.append(sum)
                }
            }
        }
        return Tensor(shape: [x.shape[0], convolution.outputChannels, rows, columns], elements: y)
    }

    /// The number of windows, counted one by one.
    private static func windows(length: Int, reach: Int, stride: Int) -> Int {
        stride <= 0 ? 0 : Swift.stride(from: 0, through: length - reach, by: stride).reduce(0) { count, _ in count + 1 }
    }

    @Test func anyConvolutionIsItsFormula() throws {
        try RandomRounds.run(200) { random in
            let convolution = random.convolution()
            let size = Size(height: random.integer(in: 9...12), width: random.integer(in: 9...12))
            let x = random.tensor([random.integer(in: 1...2), convolution.inputChannels, size.height, size.width])
            let stored = convolution.storedWeights.map { random.tensor($0.shape).map { Float($0) } }
            let bias = convolution.hasBias ? random.tensor([convolution.outputChannels]).map { Float($0) } : nil
            let value = try Self.run(convolution, stored: stored, bias: bias, on: x)
            let expected = Self.formula(
                convolution, convolution.denseWeights(from: stored).map(Double.init), bias?.map(Double.init), x,
                rows: Self.windows(
                    length: size.height + convolution.padding.top + convolution.padding.bottom,
                    reach: (convolution.kernel.height - 1) * convolution.dilation.height + 1,
                    stride: convolution.stride.height),
                columns: Self.windows(
                    length: size.width + convolution.padding.left + convolution.padding.right,
                    reach: (convolution.kernel.width - 1) * convolution.dilation.width + 1,
                    stride: convolution.stride.width))
            expectClose(value, expected, within: .rounding, "\(convolution)")
        }
    }

    /// 1 2 3 / 4 5 6 / 7 8 9 under the kernel 1 10 / 100 1000, which writes its window out in digits.
    @Test func aKernelIsNotFlipped() throws {
        let x = Tensor<Double>(shape: [1, 1, 3, 3], elements: (1...9).map { Double($0) })
        let kernel = Tensor<Float>(shape: [1, 1, 2, 2], elements: [1, 10, 100, 1000])
        let convolution = Convolution(inputChannels: 1, outputChannels: 1, kernel: .square(2))
        #expect(try Self.run(convolution, stored: [kernel], on: x).elements == [5421, 6532, 8754, 9865])

        var padded = convolution
        padded.padding = Padding(top: 1, left: 0, bottom: 0, right: 1)
        padded.stride = .square(2)
        #expect(try Self.run(padded, stored: [kernel], on: x).elements == [2100, 300, 8754, 906])
    }

    @Test func groupsSeeTheirOwnChannels() throws {
        let x = Tensor<Double>(shape: [1, 4, 1, 1], elements: [1, 10, 100, 1000])
        let kernel = Tensor<Float>(shape: [2, 2, 1, 1], elements: [1, 2, 3, 4])
        let convolution = Convolution(inputChannels: 4, outputChannels: 2, kernel: .square(1), groups: 2, hasBias: true)
        let bias = Tensor<Float>(shape: [2], elements: [0.5, -0.5])
        #expect(try Self.run(convolution, stored: [kernel], bias: bias, on: x).elements == [21.5, 4299.5])
    }
}
