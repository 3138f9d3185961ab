import CTapestryKernels
import TapestryCore

/// How a convolution's weights, which change with every step, become what kernels read: blocks of outputs, their taps,
/// and where in the parameter each tap's weights lie. The parameter is O x H x W x I/groups in memory.
struct TrainingPacking {
    private(set) var blocks: [tk_block] = []
    private(set) var taps: [tk_tap] = []
    private var sources: [Int64] = []
    private var channels: [Int32] = []
    private let laneStep: Int64
    private let channelStep: Int64
    /// Floats of the packed weights.
    private(set) var size = 0
    private(set) var mostTaps = 0

    /// A tap on neighbouring channels, before it is cut into words.
    struct Entry {
        let row, column: Int
        let channels: Range<Int>
        /// Where in the parameter channel 0 and output 0 would be.
        let source: Int
    }

    init(laneStep: Int, channelStep: Int) {
        (self.laneStep, self.channelStep) = (Int64(laneStep), Int64(channelStep))
    }

    /// Adds blocks for neighbouring outputs that share their taps.
    mutating func append(outputs: Range<Int>, entries: [Entry], lanes: Int, wordElements: Int) {
        let first = taps.count
        for entry in entries {
            // An odd number of channels from an odd one on would end with half a word of the next pixel.
            let isWhole = entry.channels.count % wordElements == 0
            let start = isWhole ? entry.channels.lowerBound : entry.channels.lowerBound / wordElements * wordElements
            let count = entry.channels.upperBound - start
            taps.append(
                tk_tap(
                    row: Int32(entry.row), column: Int32(entry.column), first_channel: Int32(start),
                    words: Int32((count + wordElements - 1) / wordElements)))
            sources.append(Int64(entry.source) + Int64(start) * channelStep)
            channels.append(Int32(count))
        }
        let words = taps[first...].reduce(0) { $0 + Int($1.words) }
        mostTaps = max(mostTaps, taps.count - first)
        for start in stride(from: outputs.lowerBound, to: outputs.upperBound, by: 2 * lanes) {
            let count = min(2 * lanes, outputs.upperBound - start)
            let vectors = (count + lanes - 1) / lanes
            blocks.append(
                tk_block(
                    first_output: Int32(start), outputs: Int32(count), vectors: Int32(vectors),
                    first_tap: Int32(first), tap_count: Int32(taps.count - first), weights: Int64(size)))
            size += words * vectors * lanes
        }
    }

    /// Packs the weights of the parameter at `weights`.
    func pack(
        _ weights: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>, by kernels: tk_kernels,
        _ team: TrainingTeam
    ) {
        // Enough at a time that handing them out costs nothing.
        let parts = min(blocks.count, max(1, size / 4096))
        withDescription { description in
            nonisolated(unsafe) let description = description
            team.forEach(parts) { part, _ in
                kernels.pack_weights(
                    description, weights, packed, Int32(blocks.count * part / parts),
                    Int32(blocks.count * (part + 1) / parts))
            }
        }
    }

    private func withDescription(_ body: (UnsafePointer<tk_packing>) -> Void) {
        blocks.withUnsafeBufferPointer { blocks in
            taps.withUnsafeBufferPointer { taps in
                sources.withUnsafeBufferPointer { sources in
                    channels.withUnsafeBufferPointer { channels in
                        var description = tk_packing(
                            blocks: blocks.baseAddress, taps: taps.baseAddress, sources: sources.baseAddress,
                            lane_step: laneStep, channel_step: channelStep, channels: channels.baseAddress)
                        body(&description)
                    }
                }
            }
        }
    }
}

extension TrainingPacking {
    /// The blocks and taps for kernels.
    func withBlocks(_ body: (UnsafeBufferPointer<tk_block>, UnsafeBufferPointer<tk_tap>) -> Void) {
        blocks.withUnsafeBufferPointer { blocks in taps.withUnsafeBufferPointer { body(blocks, $0) } }
    }
}

// MARK: - The two directions

extension TrainingPacking {
    /// Of the convolution itself.
    init(forward convolution: Convolution, lanes: Int, wordElements: Int) {
        let perGroup = convolution.channelsPerGroup
        self.init(laneStep: convolution.kernel.area * perGroup, channelStep: 1)
        let outputsPerGroup = convolution.outputChannels / convolution.groups
        let (dilation, padding) = (convolution.dilation, convolution.padding)
        for span in convolution.groups == 1 ? convolution.spans(lanes: lanes) : convolution.supportSpans {
            let group = span.outputs.lowerBound / outputsPerGroup
            let entries = Tap.all(of: convolution.kernel).enumerated().flatMap { index, tap in
                span.taps.ranges(at: index).map { channels in
                    Entry(
                        row: tap.row * dilation.height - padding.top,
                        column: tap.column * dilation.width - padding.left, channels: channels,
                        source: (index - group) * perGroup)
                }
            }
            append(outputs: span.outputs, entries: entries, lanes: lanes, wordElements: wordElements)
        }
    }

    /// Of the gradient of its input, for the inputs at rows and columns whose remainder by the stride is `phase`: a
    /// convolution of the output's gradient with those taps, mirrored, that reach such inputs.
    init(mirrored convolution: Convolution, phase: Tap, lanes: Int, wordElements: Int) {
        let perGroup = convolution.channelsPerGroup
        self.init(laneStep: 1, channelStep: convolution.kernel.area * perGroup)
        let (dilation, stride, padding) = (convolution.dilation, convolution.stride, convolution.padding)
        let spans = convolution.mirroredSpans
        for span in convolution.groups == 1 ? Convolution.merged(spans, lanes: lanes) : spans {
            let group = span.outputs.lowerBound / perGroup
            var entries: [Entry] = []
            // Mirrored, from left to right: kernels look for neighbours in this order.
            for (index, tap) in Tap.all(of: convolution.kernel).enumerated().reversed() {
                let row = phase.row + padding.top - tap.row * dilation.height
                let column = phase.column + padding.left - tap.column * dilation.width
                guard row % stride.height == 0, column % stride.width == 0 else { continue }
                entries += span.taps.ranges(at: index).map { outputs in
                    Entry(
                        row: row / stride.height, column: column / stride.width, channels: outputs,
                        source: (index - group) * perGroup)
                }
            }
            append(outputs: span.outputs, entries: entries, lanes: lanes, wordElements: wordElements)
        }
    }
}
