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

    /// Lays down the weights for vectors of `lanes` floats, in blocks of at most two; in planes, in blocks of 4 outputs;
    /// for `.split`, three times.
    init(
        _ layer: LayerWeights, lanes: Int, wordElements: Int, kernel: ConvolutionKernel,
        in collection: inout PlanStorage.Collection
    ) {
        let inPlanes = kernel == .planes
        let convolution = layer.convolution
        let pixel = ValueLayout.pixel(channels: convolution.outputChannels)
        firstBlock = collection.blocks.count
        firstTap = collection.taps.count
        var packed: [Float] = []
        var (mostTaps, computed) = (0, 0)
        let (unit, width) = inPlanes ? (4, 4) : (lanes, 2 * lanes)
        for span in inPlanes ? convolution.supportSpans : convolution.spans(lanes: lanes) {
            let first = collection.taps.count
            let words = Self.appendTaps(of: span, convolution, wordElements, to: &collection)
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
                for part in 0..<(kernel == .split ? 3 : 1) {
                    Self.pack(
                        words, wordElements, part: part, outputs: start..<end, width: vectors * unit, of: layer,
                        to: &packed)
                }
                computed += words.count * wordElements * vectors * unit
            }
        }
        blockCount = collection.blocks.count - firstBlock
        weights = collection.append(packed)
        bias = collection.append(layer.bias.map { Float($0) }, paddedTo: pixel + 2 * lanes)
        self.mostTaps = mostTaps
        computedPerPosition = computed
    }

    /// Neighbouring input channels at a tap that are multiplied together, counted over all groups.
    private struct Word {
        let tap: Tap
        let channels: Range<Int>
    }

    private static func appendTaps(
        of span: OutputSpan, _ convolution: Convolution, _ wordElements: Int,
        to collection: inout PlanStorage.Collection
    ) -> [Word] {
        var words: [Word] = []
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() {
            for range in span.taps.ranges(at: index) {
                let count = words.count
                // An odd number of channels from an odd one on would end with half a word of the next pixel.
                let first = range.count % wordElements == 0 ? range.lowerBound : range.lowerBound / 2 * 2
                words += stride(from: first, to: range.upperBound, by: wordElements).map {
                    Word(tap: tap, channels: $0..<min($0 + wordElements, range.upperBound))
                }
                collection.taps.append(convolution.tap(tap, firstChannel: first, words: words.count - count))
            }
        }
        return words
    }

    private static func pack(
        _ words: [Word], _ wordElements: Int, part: Int, outputs: Range<Int>, width: Int, of layer: LayerWeights,
        to packed: inout [Float]
    ) {
        let convolution = layer.convolution
        let (perGroup, outputsPerGroup) = (
            convolution.channelsPerGroup, convolution.outputChannels / convolution.groups
        )
        let area = convolution.kernel.area
        let start = packed.count
        packed += repeatElement(0, count: words.count * width)
        packed.withUnsafeMutableBufferPointer { packed in
            layer.dense.withUnsafeBufferPointer { dense in
                for output in outputs {
                    let scale = layer.scale[output]
                    let firstChannel = output / outputsPerGroup * perGroup
                    func weight(_ channel: Int, _ tap: Int) -> Float {
                        guard (firstChannel..<firstChannel + perGroup).contains(channel) else { return 0 }
                        let weight = dense[(output * perGroup + channel - firstChannel) * area + tap]
                        return scale == 1 ? weight : Float(Double(weight) * scale)
                    }
                    var place = start + output - outputs.lowerBound
                    for word in words {
                        let tap = word.tap.row * convolution.kernel.width + word.tap.column
                        let first = weight(word.channels.lowerBound, tap)
                        if wordElements == 1 {
                            packed[place] = first
                        } else {
                            let second = word.channels.count > 1 ? weight(word.channels.lowerBound + 1, tap) : 0
                            packed[place] = Float(
                                bitPattern: UInt32(first.bfloat16(part)) | UInt32(second.bfloat16(part)) << 16)
                        }
                        place += width
                    }
                }
            }
        }
    }
}

extension Float {
    /// The upper half of the nearest number that needs no more; of two the even one. Of later parts, what that is of the
    /// rest that those before it leave.
    fileprivate func bfloat16(_ part: Int) -> UInt16 {
        guard !isNaN else { return UInt16(bitPattern >> 16) | 0x40 }
        let own = UInt16((bitPattern &+ 0x7FFF &+ (bitPattern >> 16 & 1)) >> 16)
        return part == 0 ? own : (self - Float(bitPattern: UInt32(own) << 16)).bfloat16(part - 1)
    }
}

extension Convolution {
    /// A tap as kernels have it: relative to the window's first position without padding.
    func tap(_ tap: Tap, firstChannel: Int, words: Int) -> tk_tap {
        tk_tap(
            row: Int32(tap.row * dilation.height - padding.top),
            column: Int32(tap.column * dilation.width - padding.left),
            first_channel: Int32(firstChannel), words: Int32(words))
    }
}

/// A depthwise convolution's weights as kernels read them.
struct PackedDepthwise {
    let offsets: Int
    let tapCount: Int
    let weights: Int
    let bias: Int

    init(_ layer: LayerWeights, input: tk_image, in collection: inout PlanStorage.Collection) {
        let convolution = layer.convolution
        let (channels, area) = (convolution.outputChannels, convolution.kernel.area)
        let pixel = ValueLayout.pixel(channels: channels)
        offsets = collection.integers.count
        var packed: [Float] = []
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() {
            let weights = (0..<channels).map { Float(Double(layer.dense[$0 * area + index]) * layer.scale[$0]) }
            guard weights.contains(where: { $0 != 0 }) else { continue }
            let place = convolution.tap(tap, firstChannel: 0, words: 1)
            collection.integers.append(Int32(Int64(place.row) * input.row + Int64(place.column * input.pixel)))
            packed += weights + repeatElement(0, count: pixel - channels)
        }
        tapCount = collection.integers.count - offsets
        weights = collection.append(packed)
        bias = collection.append(layer.bias.map { Float($0) }, paddedTo: pixel)
    }
}
