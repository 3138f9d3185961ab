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
/// - **Blocks**: for a block-diagonal support a convolution of as many groups, and a masked 1x1 convolution that has the
///   middle taps of the other blocks; the two are added.
/// - **Moved channels**: where each channel has one tap, a depthwise convolution with ones brings what the taps read to
///   one place, and a 1x1 convolution follows.
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
        /// How many blocks of channels there are that see one another alone.
        let channelGroups: Int

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
    /// The taps to which the channels are moved first; nil where they are not.
    let movedTaps: [Tap]?

    private init(_ convolution: Convolution, _ pieces: [Piece], movedTaps: [Tap]? = nil) {
        self.convolution = convolution
        self.pieces = pieces
        self.movedTaps = movedTaps
    }

    /// A piece that makes all outputs.
    private static func whole(_ convolution: Convolution, _ kernel: Size, at origin: Tap, groups: Int) -> Piece {
        Piece(
            groups: [.init(outputs: 0..<convolution.outputChannels, origin: origin)], kernel: kernel,
            channelGroups: groups)
    }

    /// The full kernel, masked where the support has gaps.
    init(masked convolution: Convolution) {
        let corner = Tap(row: 0, column: 0)
        self.init(
            convolution, [Self.whole(convolution, convolution.kernel, at: corner, groups: convolution.groups)])
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
                pieces.append(Piece(groups: [group], kernel: rectangle.size, channelGroups: 1))
            }
        }
        self.init(convolution, pieces)
    }

    /// The blocks; nil where the support has not two of them at least, or has the middle tap only.
    init?(blocksOf convolution: Convolution) {
        guard case .blockDiagonal(let parts) = convolution.support, parts > 1, convolution.kernel.area > 1 else {
            return nil
        }
        self.init(
            convolution,
            [
                Self.whole(convolution, convolution.kernel, at: Tap(row: 0, column: 0), groups: parts),
                Self.whole(convolution, .square(1), at: convolution.middleTap, groups: 1),
            ])
    }

    /// Moved channels; nil where the channels have not one tap each, or the kernel has no second one.
    init?(movedChannelsOf convolution: Convolution) {
        guard case .channelTaps(let taps) = convolution.support, convolution.kernel.area > 1 else { return nil }
        let corner = Tap(row: 0, column: 0)
        self.init(
            convolution, [Self.whole(convolution, .square(1), at: corner, groups: convolution.groups)],
            movedTaps: taps)
    }

    /// By small kernels if that is possible, and masked if not.
    init(smallKernelsOf convolution: Convolution) {
        self =
            ConvolutionRealization(windowsOf: convolution) ?? ConvolutionRealization(blocksOf: convolution)
            ?? ConvolutionRealization(movedChannelsOf: convolution) ?? ConvolutionRealization(masked: convolution)
    }

    init(
        _ kind: TorchNetwork.Realization, of convolution: Convolution, outputSize size: Size, on device: Device
    ) {
        switch kind {
        case .automatic: self.init(cheapestFor: convolution, outputSize: size, on: device)
        case .masked: self.init(masked: convolution)
        case .smallKernels: self.init(smallKernelsOf: convolution)
        }
    }

    /// The cheaper of the two for an output of `size`, by measurement (forward and backward in float32, batch 128, two
    /// threads with AVX-512; `Docs/performance.md` has the tables). Windows win where they have few taps and many
    /// channels, or where the image is so small that moving weights is what costs; blocks win with many channels;
    /// moved channels always.
    init(cheapestFor convolution: Convolution, outputSize size: Size, on device: Device) {
        let small = ConvolutionRealization(smallKernelsOf: convolution)
        let channels = convolution.inputChannels
        let isCheaper: Bool
        switch convolution.support {
        case .dense, .mask: isCheaper = false
        case .channelTaps: isCheaper = true
        case .tapSets:
            let taps = small.pieces.map(\.kernel.area).max() ?? 0
            let slides = small.pieces.contains { $0.slide != Size(height: 0, width: 0) }
            let areFew = taps <= 3 && 3 * taps <= convolution.kernel.area
            isCheaper =
                device == .cpu
                && (areFew && channels >= (slides ? 64 : 32) || size.area <= 16 && channels >= 256)
        case .blockDiagonal: isCheaper = device == .cpu && channels >= 128
        }
        self = isCheaper ? small : ConvolutionRealization(masked: convolution)
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
