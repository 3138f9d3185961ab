import TapestryCore

/// Which input channels an output reads at each tap of a kernel: a bit for each.
struct ChannelTaps: Equatable {
    private let channels: Int
    private var words: [UInt64]

    init(taps: Int, channels: Int) {
        self.channels = channels
        words = Array(repeating: 0, count: taps * Self.wordCount(channels))
    }

    private static func wordCount(_ channels: Int) -> Int { (channels + 63) / 64 }

    mutating func insert(_ range: Range<Int>, at tap: Int) {
        let start = tap * Self.wordCount(channels)
        for channel in range { words[start + channel / 64] |= 1 << UInt64(channel % 64) }
    }

    mutating func formUnion(_ other: ChannelTaps) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// How many of them have no neighbour in a row of the kernel with the same channels, one range of them.
    func countAlone(in convolution: Convolution) -> Int {
        let width = convolution.kernel.width
        let ranges = (0..<convolution.kernel.area).map(ranges(at:))
        func isPair(_ left: Int) -> Bool {
            convolution.dilation.width == 1 && left >= 0 && left % width < width - 1 && ranges[left].count == 1
                && ranges[left] == ranges[left + 1]
        }
        return ranges.indices.reduce(0) { count, tap in
            isPair(tap) || isPair(tap - 1) ? count : count + ranges[tap].reduce(0) { $0 + $1.count }
        }
    }

    /// The channels at a tap as ranges in order; a gap of one or two channels is cheaper to compute than to leave out.
    func ranges(at tap: Int) -> [Range<Int>] { ranges(at: tap, joiningGapsOf: 2) }

    /// The same, no channel more.
    func exactRanges(at tap: Int) -> [Range<Int>] { ranges(at: tap, joiningGapsOf: 0) }

    private func ranges(at tap: Int, joiningGapsOf gap: Int) -> [Range<Int>] {
        let start = tap * Self.wordCount(channels)
        var ranges: [Range<Int>] = []
        for channel in 0..<channels where words[start + channel / 64] >> UInt64(channel % 64) & 1 == 1 {
            if let last = ranges.last, channel - last.upperBound <= gap {
                ranges[ranges.count - 1] = last.lowerBound..<channel + 1
            } else {
                ranges.append(channel..<channel + 1)
            }
        }
        return ranges
    }
}

/// Neighbouring outputs that are computed together.
struct OutputSpan: Equatable {
    var outputs: Range<Int>
    var taps: ChannelTaps
}

extension Convolution {
    /// The outputs as spans that are cheapest with vectors of `lanes` floats: outputs whose supports differ lie in one
    /// vector, which computes the union of their taps, where that takes less than a vector for each.
    func spans(lanes: Int) -> [OutputSpan] { Self.merged(supportSpans, lanes: lanes) }

    /// Neighbouring spans, merged where that is cheaper.
    static func merged(_ spans: [OutputSpan], lanes: Int) -> [OutputSpan] {
        // Cheapest way to cover the first so many spans, and where its last part begins.
        var costs = [0.0], starts = [0]
        for end in 1...spans.count {
            var union = spans[end - 1].taps
            var best = (cost: Double.infinity, start: end - 1)
            for start in Swift.stride(from: end - 1, through: max(0, end - 64), by: -1) {
                if start < end - 1 { union.formUnion(spans[start].taps) }
                let width = spans[end - 1].outputs.upperBound - spans[start].outputs.lowerBound
                let cost = costs[start] + cost(width: width, terms: union.count, lanes: lanes)
                if cost < best.cost { best = (cost, start) }
            }
            costs.append(best.cost)
            starts.append(best.start)
        }
        var merged: [OutputSpan] = []
        var end = spans.count
        while end > 0 {
            var span = spans[starts[end]]
            for next in spans[starts[end]..<end].dropFirst() { span.taps.formUnion(next.taps) }
            span.outputs = span.outputs.lowerBound..<spans[end - 1].outputs.upperBound
            merged.append(span)
            end = starts[end]
        }
        return merged.reversed()
    }

    /// The vector multiplications of one position, of all spans; with `sharesColumns`, neighbouring taps of a row together.
    func costPerPosition(lanes: Int, sharesColumns: Bool = false) -> Double {
        spans(lanes: lanes).reduce(0) {
            let alone = sharesColumns ? $1.taps.countAlone(in: self) : $1.taps.count
            return $0 + Self.cost(width: $1.outputs.count, terms: $1.taps.count, alone: alone, lanes: lanes)
        }
    }

    /// In vector multiplications. Two vectors at a time share the values that are broadcast, and so do neighbouring taps
    /// that are not `alone`; otherwise one vector waits for them.
    private static func cost(width: Int, terms: Int, alone: Int? = nil, lanes: Int) -> Double {
        let vectors = (width + lanes - 1) / lanes
        let waits = vectors % 2 == 1 ? 0.3 * Double(alone ?? terms) : 0
        return Double(terms) * Double(vectors) + waits + 8
    }

    /// Neighbouring outputs of one support, input channels counted over all groups.
    var supportSpans: [OutputSpan] {
        let outputsPerGroup = outputChannels / groups
        var spans: [OutputSpan] = []
        for block in outputBlocks {
            var first = block.outputs.lowerBound
            while first < block.outputs.upperBound {
                let group = first / outputsPerGroup
                let end = min(block.outputs.upperBound, (group + 1) * outputsPerGroup)
                var taps = ChannelTaps(taps: kernel.area, channels: inputChannels)
                for entry in block.entries {
                    let channels = entry.channels.lowerBound + group * channelsPerGroup
                    taps.insert(
                        channels..<channels + entry.channels.count, at: entry.tap.row * kernel.width + entry.tap.column)
                }
                if let last = spans.last, last.taps == taps {
                    spans[spans.count - 1].outputs = last.outputs.lowerBound..<end
                } else {
                    spans.append(OutputSpan(outputs: first..<end, taps: taps))
                }
                first = end
            }
        }
        return spans
    }

    /// Neighbouring input channels whose outputs and taps are the same ones: what the gradient of the input reads.
    /// Outputs stand for channels here, counted over all groups, and channels for outputs.
    var mirroredSpans: [OutputSpan] {
        let area = kernel.area
        var taps = Array(repeating: ChannelTaps(taps: area, channels: outputChannels), count: inputChannels)
        for span in supportSpans {
            for tap in 0..<area {
                for range in span.taps.exactRanges(at: tap) {
                    for channel in range { taps[channel].insert(span.outputs, at: tap) }
                }
            }
        }
        var spans: [OutputSpan] = []
        for channel in 0..<inputChannels {
            if let last = spans.last, last.taps == taps[channel], channel % channelsPerGroup != 0 {
                spans[spans.count - 1].outputs = last.outputs.lowerBound..<channel + 1
            } else {
                spans.append(OutputSpan(outputs: channel..<channel + 1, taps: taps[channel]))
            }
        }
        return spans
    }
}
