import TapestryCore

extension ConvolutionRealization {
    /// The convolution of N x C x H x W images with a kernel for each piece, and one that moves the channels first where
    /// there is a `displacement`.
    func callAsFunction(
        _ x: TorchTensor, kernels: [TorchTensor], bias: TorchTensor?, displacement: TorchTensor? = nil
    ) throws(TorchError) -> TorchTensor {
        if let displacement {
            let moved = try convolve(
                x, with: displacement, bias: nil, padding: convolution.padding, groups: convolution.inputChannels)
            return try moved.convolution(weight: kernels[0], bias: bias, groups: convolution.groups)
        }
        if pieces.allSatisfy({ $0.outputCount == convolution.outputChannels && $0.groups.count == 1 }) {
            let sum = try run(pieces[0], on: x, kernel: kernels[0], bias: bias)
            for (piece, kernel) in zip(pieces, kernels).dropFirst() {
                try sum.addInPlace(try run(piece, on: x, kernel: kernel, bias: nil))
            }
            return sum
        }
        // The one piece of a lone rectangle size adds the bias to all of its outputs itself.
        let own = pieces.count == 1 ? bias : nil
        var results: [TorchTensor] = []
        for (piece, kernel) in zip(pieces, kernels) {
            results.append(try run(piece, on: x, kernel: kernel, bias: own))
        }
        let joined = try TorchTensor.concatenate(try windows(of: results), along: 1)
        guard let bias, own == nil else { return joined }
        return try joined.add(try bias.reshaped(to: [1, -1, 1, 1]))
    }

    private func run(
        _ piece: Piece, on x: TorchTensor, kernel: TorchTensor, bias: TorchTensor?
    ) throws(TorchError) -> TorchTensor {
        // The padding that lets the kernel reach from its groups' first to their last place, and no further. It is
        // negative where no group's taps reach the edge of the full kernel further than the padding goes.
        let (full, step) = (convolution.padding, convolution.dilation)
        let spare = Size(
            height: convolution.kernel.height - piece.kernel.height - piece.first.row - piece.slide.height,
            width: convolution.kernel.width - piece.kernel.width - piece.first.column - piece.slide.width)
        let padding = Padding(
            top: full.top - piece.first.row * step.height, left: full.left - piece.first.column * step.width,
            bottom: full.bottom - spare.height * step.height, right: full.right - spare.width * step.width)
        return try convolve(x, with: kernel, bias: bias, padding: padding, groups: piece.channelGroups)
    }

    /// libtorch's convolution with any padding: its own pads both sides alike, and crops none.
    private func convolve(
        _ x: TorchTensor, with kernel: TorchTensor, bias: TorchTensor?, padding: Padding, groups: Int
    ) throws(TorchError) -> TorchTensor {
        let padsItself = padding.isSymmetric && padding.top >= 0 && padding.left >= 0
        var image =
            padsItself
            ? x : try x.constantPad([(padding.top, padding.bottom), (padding.left, padding.right)])
        // libtorch 2.13 reads beyond an image of one channel whose strides say channels last (which is the same memory)
        // where the kernel's strides differ and one column comes out.
        if convolution.inputChannels == 1, convolution.stride.height != convolution.stride.width {
            image = try image.cloned(memoryFormat: .contiguous)
        }
        if kernel.shape[2] * kernel.shape[3] == 1, x.shape[1] % 16 != 0, !padsItself || padding == .none {
            image = try withoutUnread(image)
        }
        return try image.convolution(
            weight: kernel, bias: bias, stride: [convolution.stride.height, convolution.stride.width],
            padding: padsItself ? [padding.top, padding.left] : [0, 0],
            dilation: [convolution.dilation.height, convolution.dilation.width], groups: groups)
    }

    /// An image without the rows and columns behind the last one that a 1x1 kernel reads. Where there are any, of few
    /// channels, libtorch 2.13 finds the gradient of the weights by writing beyond its memory.
    private func withoutUnread(_ x: TorchTensor) throws(TorchError) -> TorchTensor {
        var image = x
        for (axis, step) in [(2, convolution.stride.height), (3, convolution.stride.width)] {
            let read = (x.shape[axis] - 1) / step * step + 1
            if read < x.shape[axis] { image = try image.narrow(along: axis, start: 0, length: read) }
        }
        return image
    }

    /// Each group's window of its piece's result, in the order of the groups' outputs.
    private func windows(of results: [TorchTensor]) throws(TorchError) -> [TorchTensor] {
        var windows: [(firstOutput: Int, value: TorchTensor)] = []
        for (piece, result) in zip(pieces, results) {
            let height = result.shape[2] - piece.slide.height
            let width = result.shape[3] - piece.slide.width
            var channel = 0
            for group in piece.groups {
                var window = try result.narrow(along: 1, start: channel, length: group.outputs.count)
                if piece.slide.height > 0 {
                    window = try window.narrow(
                        along: 2, start: group.origin.row - piece.first.row, length: height)
                }
                if piece.slide.width > 0 {
                    window = try window.narrow(
                        along: 3, start: group.origin.column - piece.first.column, length: width)
                }
                windows.append((group.outputs.lowerBound, window))
                channel += group.outputs.count
            }
        }
        return windows.sorted { $0.firstOutput < $1.firstOutput }.map(\.value)
    }
}
