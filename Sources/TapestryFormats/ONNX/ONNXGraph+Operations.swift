import TapestryCore

/// What each operation is in ONNX.
extension ONNXGraph {
    /// Appends the operators that take the values named `inputs` to the node's value, named `output`.
    mutating func append(_ node: Node, inputs: [String], output: String) {
        let x = inputs[0]
        let shape = shapes[node.inputs[0]]!
        switch node.operation {
        case .convolution(let convolution): append(convolution, node, x, output)
        case .batchNorm(let norm):
            let parameters = ["weight", "bias", "running_mean", "running_var"].map { parameter($0, of: node) }
            append("BatchNormalization", [x] + parameters, to: output, [.float("epsilon", norm.epsilon)])
        case .affine(let channels):
            let perChannel: Shape = shape.rank == 3 ? [channels, 1, 1] : [channels]
            let scaled = unusedName("\(node.name)/scaled")
            append("Mul", [x, parameter("weight", of: node, shape: perChannel)], to: scaled)
            append("Add", [scaled, parameter("bias", of: node, shape: perChannel)], to: output)
        case .linear(let linear):
            let parameters = ["weight"] + (linear.hasBias ? ["bias"] : [])
            append("Gemm", [x] + parameters.map { parameter($0, of: node) }, to: output, [.integer("transB", 1)])
        case .relu: append("Relu", [x], to: output)
        case .sigmoid: append("Sigmoid", [x], to: output)
        case .swish:
            let gate = unusedName("\(node.name)/gate")
            append("Sigmoid", [x], to: gate)
            append("Mul", [x, gate], to: output)
        case .maxPool(let pooling): append("MaxPool", [x], to: output, pooling.attributes)
        case .averagePool(let pooling):
            append("AveragePool", [x], to: output, pooling.attributes + [.integer("count_include_pad", 1)])
        case .globalAveragePool:
            let means = unusedName("\(node.name)/means")
            append("GlobalAveragePool", [x], to: means)
            append("Flatten", [means], to: output)
        case .add: append("Add", inputs, to: output)
        case .scaleChannels:
            let (axes, factors) = (constant("\(node.name)/axes", [2, 3]), unusedName("\(node.name)/factors"))
            append("Unsqueeze", [inputs[1], axes], to: factors)
            append("Mul", [x, factors], to: output)
        case .shift(let shift): append(shift, channels: shape[0], node, x, output)
        case .padChannels(let before, let after):
            let pads = constant("\(node.name)/pads", [0, before, 0, 0, 0, after, 0, 0])
            append("Pad", [x, pads], to: output)
        // No frozen model has any; they are the identity in evaluation.
        case .stopGradient, .dropout, .dropBranch: append("Identity", [x], to: output)
        case .flatten: append("Flatten", [x], to: output)
        }
    }

    private mutating func append(_ convolution: Convolution, _ node: Node, _ x: String, _ output: String) {
        let stored = convolution.storedWeights.map { tensor($0.suffix, of: node)! }
        var inputs = [
            cropped(x, by: convolution.padding, of: node),
            constant("\(node.name).weight", .float32(convolution.denseWeights(from: stored))),
        ]
        if convolution.hasBias { inputs.append(parameter("bias", of: node)) }
        append(
            "Conv", inputs, to: output,
            [
                .integers("kernel_shape", convolution.kernel.extents), .integers("strides", convolution.stride.extents),
                .integers("pads", convolution.padding.sides.map { max($0, 0) }),
                .integers("dilations", convolution.dilation.extents), .integer("group", convolution.groups),
            ])
    }

    /// The value without the rows and columns that negative padding takes away, for a `Conv` may not do so; the value
    /// itself where there are none.
    private mutating func cropped(_ x: String, by padding: Padding, of node: Node) -> String {
        guard padding.sides.contains(where: { $0 < 0 }) else { return x }
        let shape = shapes[node.inputs[0]]!
        let starts = [padding.top, padding.left].map { max(-$0, 0) }
        let ends = [shape[1] + min(padding.bottom, 0), shape[2] + min(padding.right, 0)]
        let bounds = [("starts", starts), ("ends", ends), ("axes", [2, 3])]
            .map { constant("\(node.name)/\($0)", $1) }
        let output = unusedName("\(node.name)/cropped")
        append("Slice", [x] + bounds, to: output)
        return output
    }

    /// A depthwise convolution that has a single one for each channel: programs run it faster than the slices and
    /// concatenations that would move channels without arithmetic.
    private mutating func append(_ shift: Shift, channels: Int, _ node: Node, _ x: String, _ output: String) {
        let area = shift.kernel * shift.kernel
        var ones = Tensor<Float>(shape: [channels, 1, shift.kernel, shift.kernel], repeating: 0)
        for (channel, tap) in shift.taps(channels: channels).enumerated() {
            ones.elements[channel * area + tap.row * shift.kernel + tap.column] = 1
        }
        append(
            "Conv", [x, constant("\(node.name)/ones", .float32(ones))], to: output,
            [
                .integers("kernel_shape", [shift.kernel, shift.kernel]),
                .integers("pads", Array(repeating: shift.dilation * (shift.kernel / 2), count: 4)),
                .integers("dilations", [shift.dilation, shift.dilation]), .integer("group", channels),
            ])
    }
}

extension Pooling {
    fileprivate var attributes: [Onnx_AttributeProto] {
        [
            .integers("kernel_shape", kernel.extents), .integers("strides", stride.extents),
            .integers("pads", padding.sides),
        ]
    }
}

extension Size {
    fileprivate var extents: [Int] { [height, width] }
}

extension Padding {
    /// In ONNX's order: where the axes begin, then where they end.
    fileprivate var sides: [Int] { [top, left, bottom, right] }
}
