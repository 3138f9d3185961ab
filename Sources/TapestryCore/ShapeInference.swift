extension Node {
    /// The shape of the node's value for one image. Throws `GraphError` that names this node where the inputs do not fit,
    /// and where an extent, a support or the value's size is impossible: afterwards `parameters` may be asked for.
    ///
    /// Precondition: `inputs` keep within `Limits`, as the graph's input and all values do.
    func outputShape(of inputs: [Shape]) throws(GraphError) -> Shape {
        let shape = try unboundedOutputShape(of: inputs)
        guard shape.isPossibleValue else { throw error("its value has shape \(shape), empty or beyond any memory") }
        return shape
    }

    private func unboundedOutputShape(of inputs: [Shape]) throws(GraphError) -> Shape {
        guard inputs.count == operation.inputCount else {
            throw error("takes \(operation.inputCount) values, not \(inputs.count)")
        }
        let input = inputs[0]
        switch operation {
        case .convolution(let convolution): return try shape(of: convolution, on: input)
        case .batchNorm(let norm):
            guard norm.channels >= 1, input.rank == 1 || input.rank == 3, input[0] == norm.channels else {
                throw error("normalises \(norm.channels) channels but is given \(input)")
            }
            return input
        case .affine(let channels):
            guard channels >= 1, input.rank == 1 || input.rank == 3, input[0] == channels else {
                throw error("scales \(channels) channels but is given \(input)")
            }
            return input
        case .linear(let linear):
            guard linear.inputs >= 1, linear.outputs >= 1, input.rank == 1, input[0] == linear.inputs else {
                throw error("maps vectors of \(linear.inputs) to \(linear.outputs) but is given \(input)")
            }
            guard Shape([linear.outputs, linear.inputs]).checkedCount ?? .max <= Limits.weightCount else {
                throw error("more than \(Limits.weightCount) weights")
            }
            return [linear.outputs]
        case .relu, .sigmoid, .swish, .stopGradient, .dropout, .dropBranch: return input
        case .maxPool(let pooling), .averagePool(let pooling): return try shape(of: pooling, on: input)
        case .globalAveragePool:
            try requireImage(input)
            return [input[0]]
        case .add:
            guard input == inputs[1] else { throw error("adds \(input) and \(inputs[1]), which differ") }
            return input
        case .scaleChannels:
            try requireImage(input)
            guard inputs[1] == [input[0]] else {
                throw error("scales the channels of \(input) by \(inputs[1]), which is no vector of as many factors")
            }
            return input
        case .shift(let shift):
            try requireImage(input)
            guard shift.kernel % 2 == 1, (1...Limits.shift).contains(shift.kernel),
                (1...Limits.shift).contains(shift.dilation)
            else { throw error("shifts by kernel \(shift.kernel) (which is to be odd), dilation \(shift.dilation)") }
            return input
        case .padChannels(let before, let after):
            try requireImage(input)
            guard (0...Limits.extent).contains(before), (0...Limits.extent).contains(after) else {
                throw error("pads by \(before) and \(after) channels")
            }
            return [input[0] + before + after, input[1], input[2]]
        case .flatten: return [input.count]
        }
    }

    private func shape(of convolution: Convolution, on input: Shape) throws(GraphError) -> Shape {
        do { try convolution.validate() } catch { throw self.error(error.description) }
        try requireImage(input)
        guard input[0] == convolution.inputChannels else {
            throw error("takes \(convolution.inputChannels) channels but is given \(input)")
        }
        let reach = Size(
            height: (convolution.kernel.height - 1) * convolution.dilation.height + 1,
            width: (convolution.kernel.width - 1) * convolution.dilation.width + 1)
        let size = try windows(on: input, reach: reach, stride: convolution.stride, padding: convolution.padding)
        return [convolution.outputChannels, size.height, size.width]
    }

    private func shape(of pooling: Pooling, on input: Shape) throws(GraphError) -> Shape {
        try requireImage(input)
        let (kernel, padding) = (pooling.kernel, pooling.padding)
        let extents = [kernel.height, kernel.width, pooling.stride.height, pooling.stride.width]
        guard extents.allSatisfy({ (1...Limits.extent).contains($0) }), kernel.area <= Limits.extent else {
            throw error("a window of \(kernel) moved by \(pooling.stride)")
        }
        // A window that lies in the padding alone would have no maximum.
        guard padding.isSymmetric, padding.top >= 0, padding.left >= 0, padding.top <= kernel.height / 2,
            padding.left <= kernel.width / 2
        else { throw error("pads a pooling window of \(kernel) by more than half of it, or unevenly") }
        let size = try windows(on: input, reach: kernel, stride: pooling.stride, padding: padding)
        return [input[0], size.height, size.width]
    }

    private func windows(on input: Shape, reach: Size, stride: Size, padding: Padding) throws(GraphError) -> Size {
        let height = input[1] + padding.top + padding.bottom
        let width = input[2] + padding.left + padding.right
        let isCropPossible =
            min(padding.top, 0) + min(padding.bottom, 0) > -input[1]
            && min(padding.left, 0) + min(padding.right, 0) > -input[2]
        guard isCropPossible else { throw error("its negative padding leaves nothing of \(input)") }
        guard height >= reach.height, width >= reach.width else {
            throw error("a window of \(reach) does not fit in \(height)x\(width); the network needs larger images")
        }
        return Size(
            height: (height - reach.height) / stride.height + 1, width: (width - reach.width) / stride.width + 1)
    }

    private func requireImage(_ shape: Shape) throws(GraphError) {
        guard shape.rank == 3 else { throw error("takes channels x height x width but is given \(shape)") }
    }

    private func error(_ reason: String) -> GraphError { GraphError(node: name, reason: reason) }
}

extension Shape {
    /// Whether a machine could hold a value of this shape, and there is one.
    fileprivate var isPossibleValue: Bool {
        dimensions.allSatisfy { $0 >= 1 } && checkedCount ?? .max <= Limits.valueCount
    }

    /// Throws `GraphError` unless this can be the shape of a network's input: possible channels x height x width.
    func verifyAsInput() throws(GraphError) {
        guard rank == 3, isPossibleValue, dimensions.allSatisfy({ $0 <= Limits.extent }) else {
            throw GraphError(
                node: Graph.inputName, reason: "\(self) is not the channels x height x width of any image")
        }
    }
}
