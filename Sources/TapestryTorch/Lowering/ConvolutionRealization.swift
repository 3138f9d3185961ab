import TapestryCore

/// How libtorch computes a convolution on a support while it trains, and how the weights lie on the device for that.
///
/// One or more ordinary convolutions, each with a small dense kernel that covers a rectangle of the taps:
///
/// - **Masked**: one kernel of the full size, its gradient multiplied by a mask. Weights off the support start at zero,
///   get no gradient, and so stay exactly zero under every optimiser, momentum and weight decay included. It costs what
///   the dense convolution costs, with no differentiated scatter and none of the published layer's slices.
/// - **Windows**: where every tap set is a full rectangle, the groups whose rectangles have one size share a kernel of
///   that size, with no weight wasted: it slides over the image once, and each group takes the window of the result
///   that lies where its taps are.
///
/// Files hold the support's weights alone, whichever is chosen.
struct ConvolutionRealization {
    /// One convolution of libtorch's.
    struct Piece {
        /// Output channels that read the same rectangle of taps.
        struct Group {
            let outputs: Range<Int>
            let origin: Tap
        }

        /// In the order in which the kernel has their outputs.
        var groups: [Group]
        let kernel: Size

        var outputCount: Int { groups.reduce(0) { $0 + $1.outputs.count } }
        /// The corners of the rectangle that the groups' rectangles cover together: where its first kernel lies, and
        /// how much further down and right its last.
        var first: Tap { Tap(row: groups.map(\.origin.row).min() ?? 0, column: groups.map(\.origin.column).min() ?? 0) }
        var slide: Size {
            Size(
                height: (groups.map(\.origin.row).max() ?? 0) - first.row,
                width: (groups.map(\.origin.column).max() ?? 0) - first.column)
        }
    }

    let convolution: Convolution
    let pieces: [Piece]

    /// Whether the kernel has weights off the support.
    var isMasked: Bool { !convolution.isDense && pieces.count == 1 && pieces[0].kernel == convolution.kernel }

    /// The full kernel, masked where the support has gaps.
    init(masked convolution: Convolution) {
        self.convolution = convolution
        let all = Piece.Group(outputs: 0..<convolution.outputChannels, origin: Tap(row: 0, column: 0))
        pieces = [Piece(groups: [all], kernel: convolution.kernel)]
    }

    /// The windows; nil where a tap set is no rectangle, or where stride, dilation or groups are in the way.
    init?(windowsOf convolution: Convolution) {
        guard case .tapSets(let sets) = convolution.support, convolution.groups == 1,
            convolution.stride == .square(1), convolution.dilation == .square(1)
        else { return nil }
        let width = convolution.outputChannels / sets.count
        var pieces: [Piece] = []
        for (index, set) in sets.enumerated() {
            guard let rectangle = set.rectangle else { return nil }
            let group = Piece.Group(outputs: index * width..<(index + 1) * width, origin: rectangle.origin)
            if let known = pieces.firstIndex(where: { $0.kernel == rectangle.size }) {
                pieces[known].groups.append(group)
            } else {
                pieces.append(Piece(groups: [group], kernel: rectangle.size))
            }
        }
        self.convolution = convolution
        self.pieces = pieces
    }

    /// The cheaper of the two for an output of `size`, by measurement (forward and backward in float32, batch 128, two
    /// threads with AVX-512; `Docs/performance.md` has the table): small kernels win where they have few taps and many
    /// channels, or where the image is so small that moving weights is what costs.
    init(cheapestFor convolution: Convolution, outputSize size: Size, on device: Device) {
        guard device == .cpu, let windows = ConvolutionRealization(windowsOf: convolution) else {
            self.init(masked: convolution)
            return
        }
        let taps = windows.pieces.map(\.kernel.area).max() ?? 0
        let slides = windows.pieces.contains { $0.slide != Size(height: 0, width: 0) }
        let channels = convolution.inputChannels
        let isCheaper = (taps <= 3 && channels >= (slides ? 64 : 32)) || (size.area <= 16 && channels >= 256)
        self = isCheaper ? windows : ConvolutionRealization(masked: convolution)
    }
}

// MARK: - Weights

extension ConvolutionRealization {
    /// The name of a piece's parameter in optimisers' states.
    func parameterName(of piece: Int, in node: String) -> String {
        pieces.count == 1 ? "\(node).weight" : "\(node).weight\(pieces[piece].kernel)"
    }

    /// The kernel of each piece, from the stored weights.
    func kernels(from stored: [Tensor<Float>]) -> [Tensor<Float>] {
        let dense = convolution.denseWeights(from: stored)
        return pieces.indices.map { piece in
            var kernel = Tensor<Float>(shape: kernelShape(of: piece), repeating: 0)
            forEachElement(of: piece) { kernel.elements[$0] = dense.elements[$1] }
            return kernel
        }
    }

    /// The stored weights, from the kernel of each piece.
    func storedWeights(from kernels: [Tensor<Float>]) -> [Tensor<Float>] {
        var dense = Tensor<Float>(shape: convolution.denseWeightShape, repeating: 0)
        for (piece, kernel) in kernels.enumerated() {
            forEachElement(of: piece) { dense.elements[$1] = kernel.elements[$0] }
        }
        return convolution.storedWeights(from: dense)
    }

    /// 1 on the support and 0 off it, in the kernel's shape; nil where there is nothing to mask.
    var mask: Tensor<Float>? {
        guard isMasked else { return nil }
        return convolution.denseWeights(
            from: convolution.storedWeights.map { Tensor(shape: $0.shape, repeating: Float(1)) })
    }

    private func kernelShape(of piece: Int) -> Shape {
        let piece = pieces[piece]
        return [piece.outputCount, convolution.channelsPerGroup, piece.kernel.height, piece.kernel.width]
    }

    /// Calls `body` with the row-major index of every element of a piece's kernel and that in the dense kernel.
    private func forEachElement(of piece: Int, _ body: (_ index: Int, _ densePosition: Int) -> Void) {
        var index = 0
        for group in pieces[piece].groups {
            for output in group.outputs {
                for channel in 0..<convolution.channelsPerGroup {
                    for tap in Tap.all(of: pieces[piece].kernel) {
                        let place = Tap(row: group.origin.row + tap.row, column: group.origin.column + tap.column)
                        body(index, convolution.densePosition(output, channel, place))
                        index += 1
                    }
                }
            }
        }
    }
}

// MARK: - Running

extension ConvolutionRealization {
    /// The convolution of N x C x H x W images with a kernel for each piece.
    func callAsFunction(
        _ x: TorchTensor, kernels: [TorchTensor], bias: TorchTensor?
    ) throws(TorchError) -> TorchTensor {
        var results: [TorchTensor] = []
        for (piece, kernel) in zip(pieces, kernels) {
            results.append(try run(piece, on: x, kernel: kernel, bias: pieces.count == 1 ? bias : nil))
        }
        if pieces.count == 1, pieces[0].groups.count == 1 { return results[0] }
        let joined = try TorchTensor.concatenate(try windows(of: results), along: 1)
        // The one piece of a lone rectangle size has added the bias to all of its outputs already.
        guard let bias, pieces.count > 1 else { return joined }
        return try joined.add(try bias.reshaped(to: [1, -1, 1, 1]))
    }

    private func run(
        _ piece: Piece, on x: TorchTensor, kernel: TorchTensor, bias: TorchTensor?
    ) throws(TorchError) -> TorchTensor {
        // The padding that lets the kernel reach from its groups' first to their last place, and no further. It is
        // negative where no group's taps reach the edge of the full kernel further than the padding goes.
        let full = convolution.padding
        let spare = Size(
            height: convolution.kernel.height - piece.kernel.height - piece.first.row - piece.slide.height,
            width: convolution.kernel.width - piece.kernel.width - piece.first.column - piece.slide.width)
        let padding = Padding(
            top: full.top - piece.first.row, left: full.left - piece.first.column, bottom: full.bottom - spare.height,
            right: full.right - spare.width)
        // libtorch's convolution pads both sides alike.
        let padsItself = padding.isSymmetric && padding.top >= 0 && padding.left >= 0
        var image =
            padsItself
            ? x : try x.constantPad([(padding.top, padding.bottom), (padding.left, padding.right)])
        // libtorch 2.13 reads beyond an image of one channel whose strides say channels last (which is the same memory)
        // where the kernel's strides differ and one column comes out.
        if convolution.inputChannels == 1, convolution.stride.height != convolution.stride.width {
            image = try image.cloned(memoryFormat: .contiguous)
        }
        return try image.convolution(
            weight: kernel, bias: bias, stride: [convolution.stride.height, convolution.stride.width],
            padding: padsItself ? [padding.top, padding.left] : [0, 0],
            dilation: [convolution.dilation.height, convolution.dilation.width], groups: convolution.groups)
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

extension TapSet {
    /// The rectangle that the taps fill; nil where they fill none.
    fileprivate var rectangle: (origin: Tap, size: Size)? {
        let rows = taps.map(\.row)
        let columns = taps.map(\.column)
        guard let top = rows.min(), let left = columns.min(), let bottom = rows.max(), let right = columns.max() else {
            return nil
        }
        let size = Size(height: bottom - top + 1, width: right - left + 1)
        return size.area == count ? (Tap(row: top, column: left), size) : nil
    }
}
