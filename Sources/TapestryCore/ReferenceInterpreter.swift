/// Runs a graph in double precision, one plain loop an operation: slow, and the law that every other executor is tested
/// against. Where a formula stands in an operation's comment, this is that formula and nothing else.
public struct ReferenceInterpreter: Sendable {
    /// Which statistics a batch norm normalises with.
    public enum Mode: Sendable {
        /// The running ones.
        case evaluation
        /// The batch's own; the running ones stay as they are.
        case training
    }

    private let graph: Graph
    private let mode: Mode
    private let tensors: [String: Tensor<Double>]

    /// Throws `GraphError` where the graph breaks a rule or the weights do not fit it.
    public init(_ graph: Graph, weights: Weights, mode: Mode = .evaluation) throws(GraphError) {
        try Verifier.verify(graph)
        try weights.check(against: graph)
        self.graph = graph
        self.mode = mode
        tensors = weights.tensors.mapValues { $0.map(Double.init) }
    }

    /// The network's value for N x C x H x W images. Throws `GraphError` where they do not fit the network's input.
    public func callAsFunction(_ images: Tensor<Double>) throws(GraphError) -> Tensor<Double> {
        guard images.shape.rank == 4, Array(images.shape.dimensions.dropFirst()) == graph.inputShape.dimensions else {
            throw GraphError(
                node: Graph.inputName, reason: "is given \(images.shape), expected N x \(graph.inputShape)")
        }
        var values = [Graph.inputName: images]
        for node in graph.nodes { values[node.name] = value(of: node, inputs: node.inputs.map { values[$0]! }) }
        return values[graph.outputName]!
    }

    /// The first node whose value for N x C x H x W images has an element that single precision cannot hold; nil where
    /// none has. Precondition: the images fit the network's input.
    public func firstNodeBeyondFloat(for images: Tensor<Double>) -> String? {
        var values = [Graph.inputName: images]
        for node in graph.nodes {
            let value = value(of: node, inputs: node.inputs.map { values[$0]! })
            guard value.elements.allSatisfy({ Float($0).isFinite }) else { return node.name }
            values[node.name] = value
        }
        return nil
    }

    private func value(of node: Node, inputs: [Tensor<Double>]) -> Tensor<Double> {
        let x = inputs[0]
        let count = x.shape[0]
        switch node.operation {
        case .convolution(let convolution): return convolve(x, convolution, named: node.name)
        case .batchNorm(let norm): return normalize(x, norm, named: node.name)
        case .affine(let channels): return scale(x, channels: channels, named: node.name)
        case .linear(let linear): return map(x, linear, named: node.name)
        case .relu: return x.map { max($0, 0) }
        case .sigmoid: return x.map(Double.sigmoid)
        case .swish: return x.map { $0 * Double.sigmoid($0) }
        case .maxPool(let pooling):
            return pool(x, pooling) { window in window.reduce(-Double.infinity) { max($0, $1 ?? $0) } }
        case .averagePool(let pooling):
            return pool(x, pooling) { window in window.reduce(0) { $0 + ($1 ?? 0) } / Double(window.count) }
        case .globalAveragePool:
            let area = x.shape[2] * x.shape[3]
            return Tensor(
                shape: [count, x.shape[1]],
                elements: (0..<count * x.shape[1]).map { plane in
                    x.elements[plane * area..<(plane + 1) * area].reduce(0, +) / Double(area)
                })
        case .add: return Tensor(shape: x.shape, elements: zip(x.elements, inputs[1].elements).map { $0 + $1 })
        case .scaleChannels:
            let area = x.shape[2] * x.shape[3]
            let factors = inputs[1].elements
            return Tensor(shape: x.shape, elements: x.elements.indices.map { x.elements[$0] * factors[$0 / area] })
        case .shift(let shift): return move(x, by: shift)
        case .padChannels(let before, let after): return padChannels(x, before: before, after: after)
        // Dropout is not applied: what an executor draws at random has no one value to be compared with.
        case .stopGradient, .dropout, .dropBranch: return x
        case .flatten: return x.reshaped(to: [count, x.shape.dimensions.dropFirst().reduce(1, *)])
        }
    }

    private func convolve(_ x: Tensor<Double>, _ convolution: Convolution, named name: String) -> Tensor<Double> {
        let weights = convolution.denseWeights(
            from: convolution.storedWeights.map { tensors["\(name).\($0.suffix)"]! })
        let bias = tensors["\(name).bias"]
        let outputsPerGroup = convolution.outputChannels / convolution.groups
        let windows = Windows(
            over: x, kernel: convolution.kernel, stride: convolution.stride, padding: convolution.padding,
            dilation: convolution.dilation)
        // With the padding written out, a tap reads the same pattern of positions everywhere, with no case for the border.
        let padded = pad(x, by: convolution.padding)
        var elements: [Double] = []
        for image in 0..<x.shape[0] {
            for block in convolution.outputBlocks {
                for output in block.outputs {
                    let firstChannel = output / outputsPerGroup * convolution.channelsPerGroup
                    var plane = Array(repeating: bias?.elements[output] ?? 0, count: windows.rows * windows.columns)
                    for entry in block.entries {
                        let (i, j) = windows.firstPosition(entry.tap)
                        for channel in entry.channels {
                            let inputPlane = image * x.shape[1] + firstChannel + channel
                            windows.add(
                                weights.elements[convolution.densePosition(output, channel, entry.tap)],
                                times: padded.elements,
                                from: (inputPlane * padded.shape[2] + i) * padded.shape[3] + j, width: padded.shape[3],
                                to: &plane)
                        }
                    }
                    elements += plane
                }
            }
        }
        return Tensor(
            shape: [x.shape[0], convolution.outputChannels, windows.rows, windows.columns], elements: elements)
    }

    /// Zeros around each plane; a negative side takes rows or columns away.
    private func pad(_ x: Tensor<Double>, by padding: Padding) -> Tensor<Double> {
        let height = padding.top + x.shape[2] + padding.bottom
        let width = padding.left + x.shape[3] + padding.right
        var padded = Tensor<Double>(shape: [x.shape[0], x.shape[1], height, width], repeating: 0)
        let columns = max(0, -padding.left)..<min(x.shape[3], width - padding.left)
        for plane in 0..<x.shape[0] * x.shape[1] {
            for row in max(0, -padding.top)..<min(x.shape[2], height - padding.top) {
                let source = (plane * x.shape[2] + row) * x.shape[3]
                let target = (plane * height + row + padding.top) * width + padding.left
                for column in columns { padded.elements[target + column] = x.elements[source + column] }
            }
        }
        return padded
    }

    private func move(_ x: Tensor<Double>, by shift: Shift) -> Tensor<Double> {
        var y = Tensor<Double>(shape: x.shape, repeating: 0)
        let (height, width) = (x.shape[2], x.shape[3])
        for (channel, tap) in shift.taps(channels: x.shape[1]).enumerated() {
            let rows = shift.dilation * (tap.row - shift.kernel / 2)
            let columns = shift.dilation * (tap.column - shift.kernel / 2)
            for image in 0..<x.shape[0] {
                let plane = (image * x.shape[1] + channel) * height * width
                for i in 0..<height where (0..<height).contains(i + rows) {
                    for j in 0..<width where (0..<width).contains(j + columns) {
                        y.elements[plane + i * width + j] = x.elements[plane + (i + rows) * width + j + columns]
                    }
                }
            }
        }
        return y
    }

    private func scale(_ x: Tensor<Double>, channels: Int, named name: String) -> Tensor<Double> {
        let area = x.shape.dimensions.dropFirst(2).reduce(1, *)
        let (weight, bias) = (tensors["\(name).weight"]!.elements, tensors["\(name).bias"]!.elements)
        var y = x
        for position in y.elements.indices {
            let channel = position / area % channels
            y.elements[position] = weight[channel] * x.elements[position] + bias[channel]
        }
        return y
    }

    private func normalize(_ x: Tensor<Double>, _ norm: BatchNorm, named name: String) -> Tensor<Double> {
        let area = x.shape.dimensions.dropFirst(2).reduce(1, *)
        var y = x
        for channel in 0..<norm.channels {
            var positions: [Int] = []
            for image in 0..<x.shape[0] {
                let start = (image * norm.channels + channel) * area
                positions += start..<start + area
            }
            var mean = tensors["\(name).running_mean"]!.elements[channel]
            var variance = tensors["\(name).running_var"]!.elements[channel]
            if mode == .training {
                mean = positions.reduce(0) { $0 + x.elements[$1] } / Double(positions.count)
                let squares = positions.map { (x.elements[$0] - mean) * (x.elements[$0] - mean) }
                variance = squares.reduce(0, +) / Double(positions.count)
            }
            let scale = tensors["\(name).weight"]!.elements[channel] / (variance + norm.epsilon).squareRoot()
            let bias = tensors["\(name).bias"]!.elements[channel]
            for position in positions { y.elements[position] = (x.elements[position] - mean) * scale + bias }
        }
        return y
    }

    private func map(_ x: Tensor<Double>, _ linear: Linear, named name: String) -> Tensor<Double> {
        let weights = tensors["\(name).weight"]!
        var y = Tensor<Double>(shape: [x.shape[0], linear.outputs], repeating: 0)
        for image in 0..<x.shape[0] {
            for output in 0..<linear.outputs {
                var sum = linear.hasBias ? tensors["\(name).bias"]!.elements[output] : 0
                for input in 0..<linear.inputs {
                    sum += weights.elements[output * linear.inputs + input] * x.elements[image * linear.inputs + input]
                }
                y.elements[image * linear.outputs + output] = sum
            }
        }
        return y
    }

    /// `reduce` gets the window's values, nil where it lies in the padding.
    private func pool(_ x: Tensor<Double>, _ pooling: Pooling, reduce: ([Double?]) -> Double) -> Tensor<Double> {
        let windows = Windows(over: x, kernel: pooling.kernel, stride: pooling.stride, padding: pooling.padding)
        let taps = Tap.all(of: pooling.kernel)
        let elements = (0..<x.shape[0] * x.shape[1]).flatMap { plane in
            windows.positions.map { row, column in reduce(taps.map { windows.value(plane, row, column, $0) }) }
        }
        return Tensor(shape: [x.shape[0], x.shape[1], windows.rows, windows.columns], elements: elements)
    }

    private func padChannels(_ x: Tensor<Double>, before: Int, after: Int) -> Tensor<Double> {
        let image = x.shape[1] * x.shape[2] * x.shape[3]
        let area = x.shape[2] * x.shape[3]
        var elements: [Double] = []
        for index in 0..<x.shape[0] {
            elements += Array(repeating: 0, count: before * area)
            elements += x.elements[index * image..<(index + 1) * image]
            elements += Array(repeating: 0, count: after * area)
        }
        return Tensor(shape: [x.shape[0], x.shape[1] + before + after, x.shape[2], x.shape[3]], elements: elements)
    }
}

/// A kernel's windows over the planes of N x C x H x W images.
private struct Windows {
    private let x: Tensor<Double>
    private let stride: Size
    private let padding: Padding
    private let dilation: Size
    let rows: Int
    let columns: Int

    init(over x: Tensor<Double>, kernel: Size, stride: Size, padding: Padding, dilation: Size = .square(1)) {
        func count(_ length: Int, _ pads: Int, _ kernel: Int, _ dilation: Int, _ stride: Int) -> Int {
            (length + pads - (kernel - 1) * dilation - 1) / stride + 1
        }
        self.x = x
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        rows = count(x.shape[2], padding.top + padding.bottom, kernel.height, dilation.height, stride.height)
        columns = count(x.shape[3], padding.left + padding.right, kernel.width, dilation.width, stride.width)
    }

    /// Every output position, row by row.
    var positions: [(row: Int, column: Int)] {
        (0..<rows).flatMap { row in (0..<columns).map { (row, $0) } }
    }

    /// Where in a plane whose padding is written out the first window's tap lies.
    func firstPosition(_ tap: Tap) -> (row: Int, column: Int) {
        (tap.row * dilation.height, tap.column * dilation.width)
    }

    /// Adds, for every output position, `weight` times what a tap reads there. `first` is the place in `input`, planes
    /// `width` wide, of what it reads for the first position; the others follow by the stride.
    func add(
        _ weight: Double, times input: [Double], from first: Int, width: Int, to plane: inout [Double]
    ) {
        let rowStep = stride.height * width
        precondition(plane.count == rows * columns)
        precondition(first >= 0 && first + (rows - 1) * rowStep + (columns - 1) * stride.width < input.count)
        // All of the interpreter's time goes here: bounds and overflow are checked once, above.
        input.withUnsafeBufferPointer { input in
            plane.withUnsafeMutableBufferPointer { plane in
                for row in 0..<rows {
                    let (source, target) = (first &+ row &* rowStep, row &* columns)
                    for column in 0..<columns {
                        plane[target &+ column] += weight * input[source &+ column &* stride.width]
                    }
                }
            }
        }
    }

    /// What a tap of the window at an output position reads from a plane (image * C + channel); nil in the padding.
    func value(_ plane: Int, _ row: Int, _ column: Int, _ tap: Tap) -> Double? {
        let i = row * stride.height - padding.top + tap.row * dilation.height
        let j = column * stride.width - padding.left + tap.column * dilation.width
        guard i >= 0, i < x.shape[2], j >= 0, j < x.shape[3] else { return nil }
        return x.elements[(plane * x.shape[2] + i) * x.shape[3] + j]
    }
}
