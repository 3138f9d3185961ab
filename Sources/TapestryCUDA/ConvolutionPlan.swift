import CTapestryCUDA
import TapestryCore

/// How kernels compute one convolution on a support, for images of one number and size: forward, the gradient of its
/// input and that of its weights.
///
/// Values are channels last. Weights are a dense kernel, zero off the support, O x taps x I/groups; for the input's
/// gradient they are exchanged, I x taps x O/groups. Where each channel has one tap the kernel is 1 x 1, and channels
/// are moved on their way (`movesChannels`).
///
/// The multiply-adds are those of the support, in whole vectors of 16 bytes of channels.
public struct ConvolutionPlan: Sendable {
    public let convolution: Convolution
    public let images: Int
    public let inputSize: Size
    public let outputSize: Size
    public let variant: KernelVariant

    /// Into how many parts sums are cut, so that small layers still keep all processors busy.
    public struct Splits: Hashable, Sendable {
        public var forward: Int
        public var inputGradient: Int
        public var weightGradient: Int

        public init(forward: Int = 1, inputGradient: Int = 1, weightGradient: Int = 1) {
            self.forward = forward
            self.inputGradient = inputGradient
            self.weightGradient = weightGradient
        }
    }

    public let splits: Splits
    package let forwardTables: StepTables
    package let inputGradientTables: StepTables
    package let patches: [tcu_patch]
    /// {dy, dx} of each input channel on top of its step's; empty unless channels are moved.
    package let moves: [Int32]

    /// Why kernels cannot compute a convolution; nil where they can.
    public static func obstacle(to convolution: Convolution, arithmetic: KernelArithmetic) -> String? {
        let vector = arithmetic.vector
        for (count, what) in [
            (convolution.channelsPerGroup, "input"), (convolution.outputChannels / convolution.groups, "output"),
        ] where count % vector != 0 {
            return "\(count) \(what) channels of a group, which are no multiple of \(vector)"
        }
        return nil
    }

    /// Precondition: there is no `obstacle`; `outputSize` is what the convolution makes of an image of `inputSize`.
    public init(
        _ convolution: Convolution, images: Int, inputSize: Size, outputSize: Size, variant: KernelVariant,
        splits: Splits = Splits()
    ) {
        precondition(Self.obstacle(to: convolution, arithmetic: variant.arithmetic) == nil)
        self.convolution = convolution
        self.images = images
        self.inputSize = inputSize
        self.variant = variant
        self.splits = splits
        self.outputSize = outputSize
        let vector = variant.arithmetic.vector
        var computed = convolution
        var moves: [Int32] = []
        if case .channelTaps(let taps) = convolution.support {
            moves = (0..<convolution.inputChannels).flatMap { channel in
                let tap = taps[channel % taps.count]
                return [
                    Int32(tap.row * convolution.dilation.height), Int32(tap.column * convolution.dilation.width),
                ]
            }
            (computed.kernel, computed.support) = (.square(1), .dense)
        }
        self.moves = moves
        let support = VectorSupport(computed, vector: vector)
        forwardTables = StepTables(forwardOf: support, columns: variant.columns)
        if !moves.isEmpty {
            // What is before the channels were moved: at the places of the outputs.
            (computed.stride, computed.padding) = (.square(1), .none)
            inputGradientTables = StepTables(
                inputGradientOf: VectorSupport(computed, vector: vector), columns: variant.columns)
        } else {
            inputGradientTables = StepTables(inputGradientOf: support, columns: variant.columns)
        }
        patches = forwardTables.patches(rows: variant.rows, vector: vector)
    }

    public var movesChannels: Bool { !moves.isEmpty }

    /// The kernel's taps as weights have them: one where channels are moved.
    private var tapCount: Int { movesChannels ? 1 : convolution.kernel.area }
    private var outputsPerGroup: Int { convolution.outputChannels / convolution.groups }
}

extension ConvolutionPlan {
    /// The problem of the forward pass, without addresses.
    package var forwardProblem: tcu_problem {
        var p = tcu_problem()
        (p.images, p.height, p.width, p.channels) = extents(inputSize, convolution.inputChannels)
        (p.out_height, p.out_width, p.outputs) = outExtents(outputSize, convolution.outputChannels)
        p.setGrid(outputSize, images: images)
        p.stride_y = Int32(convolution.stride.height)
        p.stride_x = Int32(convolution.stride.width)
        (p.phase_stride_y, p.phase_stride_x) = (1, 1)
        p.weight_row = Int32(tapCount * convolution.channelsPerGroup)
        p.tile_count = Int32(forwardTables.tiles.count)
        p.split(into: splits.forward, of: forwardTables.longestSum)
        return p
    }

    /// The problem of the input's gradient: x is the gradient of the outputs, y that of the input; or of the input after
    /// its channels were moved, which has the size of the outputs.
    package var inputGradientProblem: tcu_problem {
        var p = tcu_problem()
        let stride = movesChannels ? Size.square(1) : convolution.stride
        let size = movesChannels ? outputSize : inputSize
        (p.images, p.height, p.width, p.channels) = extents(outputSize, convolution.outputChannels)
        (p.out_height, p.out_width, p.outputs) = outExtents(size, convolution.inputChannels)
        let phase = Size(
            height: (size.height + stride.height - 1) / stride.height,
            width: (size.width + stride.width - 1) / stride.width)
        p.setGrid(phase, images: images)
        (p.stride_y, p.stride_x) = (1, 1)
        p.phase_stride_y = Int32(stride.height)
        p.phase_stride_x = Int32(stride.width)
        p.weight_row = Int32(tapCount * outputsPerGroup)
        p.tile_count = Int32(inputGradientTables.tiles.count)
        p.split(into: splits.inputGradient, of: inputGradientTables.longestSum)
        return p
    }

    /// The problem of the weights' gradient: w is the gradient of the outputs, y that of the weights.
    package var weightGradientProblem: tcu_problem {
        var p = forwardProblem
        p.patch_count = Int32(patches.count)
        let chunk = 4 * variant.arithmetic.vector
        p.split(into: splits.weightGradient, of: (Int(p.positions) + chunk - 1) / chunk)
        return p
    }

    /// Where channels are moved: brings the gradient back to where each channel came from.
    package var returnShift: tcu_shift {
        var p = tcu_shift()
        (p.images, p.height, p.width, p.channels) = extents(outputSize, convolution.inputChannels)
        p.out_y = tcu_divisor_of(UInt32(inputSize.height))
        p.out_x = tcu_divisor_of(UInt32(inputSize.width))
        (p.stride_y, p.stride_x) = (1, 1)
        p.divisor_y = Int32(convolution.stride.height)
        p.divisor_x = Int32(convolution.stride.width)
        return p
    }

    /// The moves of `returnShift`.
    package var returnMoves: [Int32] {
        zip(moves, moves.indices).map { move, index in
            Int32(index % 2 == 0 ? convolution.padding.top : convolution.padding.left) - move
        }
    }

    private func extents(_ size: Size, _ channels: Int) -> (Int32, Int32, Int32, Int32) {
        (Int32(images), Int32(size.height), Int32(size.width), Int32(channels))
    }

    private func outExtents(_ size: Size, _ channels: Int) -> (Int32, Int32, Int32) {
        (Int32(size.height), Int32(size.width), Int32(channels))
    }
}

extension StepTables {
    /// The chunks of the tile with the most.
    fileprivate var longestSum: Int { tiles.map { Int($0.step_count) / Int(TCU_CHUNK_STEPS) }.max() ?? 0 }
}

extension tcu_problem {
    fileprivate mutating func setGrid(_ size: Size, images: Int) {
        grid_y = tcu_divisor_of(UInt32(size.height))
        grid_x = tcu_divisor_of(UInt32(size.width))
        positions = Int32(images * size.area)
    }

    /// As many parts as are not empty, at most `parts`.
    fileprivate mutating func split(into parts: Int, of chunks: Int) {
        chunks_per_split = Int32(max(1, (chunks + parts - 1) / parts))
        splits = Int32(max(1, (chunks + Int(chunks_per_split) - 1) / Int(chunks_per_split)))
    }
}
