import CTapestryKernels
import TapestryCore

/// A convolution's weights as kernels read them, in a plan's collection of constants.
struct PackedConvolution {
    let firstBlock: Int
    let blockCount: Int
    let firstTap: Int
    let weights: Int
    let bias: Int
    /// The most taps of a block.
    let mostTaps: Int
    /// Multiply-adds for one output position that are computed, zeros of merged supports and of vectors' ends included.
    let computedPerPosition: Int

    /// Lays down the weights for vectors of `lanes` floats, in blocks of at most two; in planes, in blocks of 4 outputs.
    init(_ layer: LayerWeights, lanes: Int, inPlanes: Bool, in collection: inout PlanStorage.Collection) {
        let convolution = layer.convolution
        let pixel = ValueLayout.pixel(channels: convolution.outputChannels)
        firstBlock = collection.blocks.count
        firstTap = collection.taps.count
        var packed: [Float] = []
        var (mostTaps, computed) = (0, 0)
        let (unit, width) = inPlanes ? (4, 4) : (lanes, 2 * lanes)
        for span in inPlanes ? convolution.supportSpans : convolution.spans(lanes: lanes) {
            let first = collection.taps.count
            let terms = Self.appendTaps(of: span, convolution, to: &collection)
            let tapCount = collection.taps.count - first
            mostTaps = max(mostTaps, tapCount)
            for start in stride(from: span.outputs.lowerBound, to: span.outputs.upperBound, by: width) {
                let end = min(start + width, span.outputs.upperBound)
                let vectors = (end - start + unit - 1) / unit
                // The last outputs' vectors may run on over the padding of their pixel.
                let isLast = end == convolution.outputChannels
                let stored = isLast ? min(pixel - start, vectors * unit) : end - start
                collection.blocks.append(
                    tk_block(
                        first_output: Int32(start), outputs: Int32(stored), vectors: Int32(vectors),
                        first_tap: Int32(first - firstTap), tap_count: Int32(tapCount), weights: Int64(packed.count)))
                Self.pack(terms, outputs: start..<end, width: vectors * unit, of: layer, to: &packed)
                computed += terms.count * vectors * unit
            }
        }
        blockCount = collection.blocks.count - firstBlock
        weights = collection.append(packed)
        bias = collection.append(layer.bias.map { Float($0) }, paddedTo: pixel + 2 * lanes)
        self.mostTaps = mostTaps
        computedPerPosition = computed
    }

    /// An input channel, counted over all groups, at a tap.
    private struct Term {
        let tap: Tap
        let channel: Int
    }

    private static func appendTaps(
        of span: OutputSpan, _ convolution: Convolution, to collection: inout PlanStorage.Collection
    ) -> [Term] {
        var terms: [Term] = []
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() {
            for range in span.taps.ranges(at: index) {
                collection.taps.append(convolution.tap(tap, channels: range))
                terms += range.map { Term(tap: tap, channel: $0) }
            }
        }
        return terms
    }

    private static func pack(
        _ terms: [Term], outputs: Range<Int>, width: Int, of layer: LayerWeights, to packed: inout [Float]
    ) {
        let convolution = layer.convolution
        let (perGroup, outputsPerGroup) = (
            convolution.channelsPerGroup, convolution.outputChannels / convolution.groups
        )
        let area = convolution.kernel.area
        let start = packed.count
        packed += repeatElement(0, count: terms.count * width)
        packed.withUnsafeMutableBufferPointer { packed in
            layer.dense.withUnsafeBufferPointer { dense in
                for output in outputs {
                    let scale = layer.scale[output]
                    let firstChannel = output / outputsPerGroup * perGroup
                    var place = start + output - outputs.lowerBound
                    for term in terms {
                        let channel = term.channel - firstChannel
                        if channel >= 0, channel < perGroup {
                            let tap = term.tap.row * convolution.kernel.width + term.tap.column
                            let weight = dense[(output * perGroup + channel) * area + tap]
                            packed[place] = scale == 1 ? weight : Float(Double(weight) * scale)
                        }
                        place += width
                    }
                }
            }
        }
    }
}

extension Convolution {
    /// A tap as kernels have it: relative to the window's first position without padding.
    func tap(_ tap: Tap, channels: Range<Int>) -> tk_tap {
        tk_tap(
            row: Int32(tap.row * dilation.height - padding.top),
            column: Int32(tap.column * dilation.width - padding.left),
            first_channel: Int32(channels.lowerBound), channels: Int32(channels.count))
    }
}

/// A depthwise convolution's weights as kernels read them.
struct PackedDepthwise {
    let firstTap: Int
    let tapCount: Int
    let weights: Int
    let bias: Int

    init(_ layer: LayerWeights, in collection: inout PlanStorage.Collection) {
        let convolution = layer.convolution
        let (channels, area) = (convolution.outputChannels, convolution.kernel.area)
        let pixel = ValueLayout.pixel(channels: channels)
        firstTap = collection.taps.count
        var packed: [Float] = []
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() {
            let weights = (0..<channels).map { Float(Double(layer.dense[$0 * area + index]) * layer.scale[$0]) }
            guard weights.contains(where: { $0 != 0 }) else { continue }
            collection.taps.append(convolution.tap(tap, channels: 0..<1))
            packed += weights + repeatElement(0, count: pixel - channels)
        }
        tapCount = collection.taps.count - firstTap
        weights = collection.append(packed)
        bias = collection.append(layer.bias.map { Float($0) }, paddedTo: pixel)
    }
}
