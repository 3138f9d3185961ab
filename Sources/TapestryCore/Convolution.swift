/// A two-dimensional convolution (cross-correlation, as the field uses the word) on a support.
///
///     y[o, i, j] = bias[o] + sum over (c, tap) in the support of o of
///                  w[o, c, tap] * x[group(o) * C/groups + c, i * stride - top + tap.row * dilation, likewise j]
///
/// with x zero outside the image. A negative padding crops: no tap reads the rows or columns that it takes away. Images are NCHW, kernels OIHW.
public struct Convolution: Hashable, Codable, Sendable {
    public var inputChannels: Int
    public var outputChannels: Int
    public var kernel: Size
    public var stride: Size
    public var padding: Padding
    public var dilation: Size
    public var groups: Int
    public var hasBias: Bool
    public var support: Support
    public var weightInitialization: Initialization
    public var biasInitialization: Initialization

    public init(
        inputChannels: Int, outputChannels: Int, kernel: Size, stride: Size = .square(1), padding: Padding = .none,
        dilation: Size = .square(1), groups: Int = 1, hasBias: Bool = false, support: Support = .dense,
        weightInitialization: Initialization = .fanInUniform, biasInitialization: Initialization = .constant(0)
    ) {
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        self.hasBias = hasBias
        self.support = support
        self.weightInitialization = weightInitialization
        self.biasInitialization = biasInitialization
    }

    /// The input channels that one output channel can see.
    public var channelsPerGroup: Int { inputChannels / groups }

    /// O x I/groups x H x W, the shape of the weights with zeros off the support.
    public var denseWeightShape: Shape { [outputChannels, channelsPerGroup, kernel.height, kernel.width] }

    /// Throws unless extents are positive and in proportion and the support fits them.
    public func validate() throws(SupportError) {
        let extents = [
            inputChannels, outputChannels, kernel.height, kernel.width, stride.height, stride.width, dilation.height,
            dilation.width, groups,
        ]
        guard extents.allSatisfy({ (1...Limits.extent).contains($0) }) else {
            throw SupportError("an extent of the convolution lies outside 1...\(Limits.extent)")
        }
        let pads = [padding.top, padding.left, padding.bottom, padding.right]
        guard pads.allSatisfy({ (-Limits.extent...Limits.extent).contains($0) }) else {
            throw SupportError("a side of the convolution's padding lies outside \(-Limits.extent)...\(Limits.extent)")
        }
        guard inputChannels % groups == 0, outputChannels % groups == 0 else {
            throw SupportError(
                "\(groups) groups do not divide \(inputChannels) input and \(outputChannels) output channels")
        }
        guard kernel.area <= Limits.extent, denseWeightShape.checkedCount ?? .max <= Limits.weightCount else {
            throw SupportError("more than \(Limits.weightCount) weights")
        }
        try validateSupport()
    }

    private func validateSupport() throws(SupportError) {
        switch support {
        case .dense: return
        case .tapSets(let sets):
            guard !sets.isEmpty else { throw SupportError("no tap sets") }
            guard outputChannels % sets.count == 0 else {
                throw SupportError("\(sets.count) tap sets do not divide \(outputChannels) output channels")
            }
            guard sets.allSatisfy({ $0.taps.allSatisfy(isTap) }) else {
                throw SupportError("a tap lies outside the \(kernel) kernel")
            }
        case .blockDiagonal(let parts):
            guard groups == 1 else { throw SupportError("\(groups) groups with a support whose blocks are its own") }
            guard parts >= 1, inputChannels % parts == 0, outputChannels % parts == 0 else {
                throw SupportError(
                    "\(parts) parts do not divide \(inputChannels) input and \(outputChannels) output channels")
            }
            guard kernel.height % 2 == 1, kernel.width % 2 == 1 else {
                throw SupportError("a \(kernel) kernel has no middle tap")
            }
        case .channelTaps(let taps):
            guard taps.count == channelsPerGroup else {
                throw SupportError("\(taps.count) taps for \(channelsPerGroup) input channels")
            }
            guard taps.allSatisfy(isTap) else { throw SupportError("a tap lies outside the \(kernel) kernel") }
        case .mask(let mask):
            guard mask.size == denseWeightShape.count else {
                throw SupportError("a mask of \(mask.size) positions on \(denseWeightShape.count) weights")
            }
        }
    }
}

extension Convolution {
    private func isTap(_ tap: Tap) -> Bool {
        (0..<kernel.height).contains(tap.row) && (0..<kernel.width).contains(tap.column)
    }

    /// The middle of a kernel whose extents are odd.
    public var middleTap: Tap { Tap(row: kernel.height / 2, column: kernel.width / 2) }
}

// MARK: - What the support looks like

extension Convolution {
    /// Output channels that share a support, and that support as a list of entries.
    public struct OutputBlock: Hashable, Sendable {
        /// A tap on a range of input channels, counted within the group of the output channel.
        public struct Entry: Hashable, Sendable {
            public let tap: Tap
            public let channels: Range<Int>
        }

        public let outputs: Range<Int>
        public let entries: [Entry]
    }

    public var isDense: Bool { support == .dense }

    /// The whole support, block by block: contiguous, in order, covering every output channel once.
    public var outputBlocks: [OutputBlock] {
        let allChannels = 0..<channelsPerGroup
        func block(_ outputs: Range<Int>, _ taps: [Tap]) -> OutputBlock {
            OutputBlock(outputs: outputs, entries: taps.map { .init(tap: $0, channels: allChannels) })
        }
        switch support {
        case .dense: return [block(0..<outputChannels, Tap.all(of: kernel))]
        case .tapSets(let sets):
            let width = outputChannels / sets.count
            return sets.enumerated().map { block($0 * width..<($0 + 1) * width, $1.taps) }
        case .blockDiagonal(let parts):
            let (inputs, outputs) = (inputChannels / parts, outputChannels / parts)
            return (0..<parts).map { part in
                let own = part * inputs..<(part + 1) * inputs
                let others = [0..<own.lowerBound, own.upperBound..<inputChannels].filter { !$0.isEmpty }
                return OutputBlock(
                    outputs: part * outputs..<(part + 1) * outputs,
                    entries: Tap.all(of: kernel).map { .init(tap: $0, channels: own) }
                        + others.map { .init(tap: middleTap, channels: $0) })
            }
        case .channelTaps(let taps):
            return [OutputBlock(outputs: 0..<outputChannels, entries: Self.entries(ofChannelTaps: taps))]
        case .mask(let mask):
            return (0..<outputChannels).map { output in
                OutputBlock(outputs: output..<output + 1, entries: maskEntries(mask, output: output))
            }
        }
    }

    /// Neighbouring channels with one tap make one entry.
    private static func entries(ofChannelTaps taps: [Tap]) -> [OutputBlock.Entry] {
        var entries: [OutputBlock.Entry] = []
        var start = 0
        for channel in 1...taps.count where channel == taps.count || taps[channel] != taps[start] {
            entries.append(.init(tap: taps[start], channels: start..<channel))
            start = channel
        }
        return entries
    }

    private func maskEntries(_ mask: WeightMask, output: Int) -> [OutputBlock.Entry] {
        Tap.all(of: kernel).flatMap { tap in
            var entries: [OutputBlock.Entry] = []
            var start: Int?
            for channel in 0...channelsPerGroup {
                let isKept = channel < channelsPerGroup && mask.contains(densePosition(output, channel, tap))
                if isKept {
                    start = start ?? channel
                } else if let first = start {
                    entries.append(.init(tap: tap, channels: first..<channel))
                    start = nil
                }
            }
            return entries
        }
    }

    /// How many weights the support has.
    public var weightCount: Int {
        switch support {
        case .dense: denseWeightShape.count
        case .tapSets(let sets): sets.reduce(0) { $0 + $1.count } * (outputChannels / sets.count) * channelsPerGroup
        case .blockDiagonal(let parts):
            outputChannels * (inputChannels / parts * kernel.area + inputChannels - inputChannels / parts)
        case .channelTaps(let taps): outputChannels * taps.count
        case .mask(let mask): mask.count
        }
    }

    /// The row-major index in `denseWeightShape`.
    public func densePosition(_ output: Int, _ channel: Int, _ tap: Tap) -> Int {
        ((output * channelsPerGroup + channel) * kernel.height + tap.row) * kernel.width + tap.column
    }
}
