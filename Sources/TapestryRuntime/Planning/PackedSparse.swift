import CTapestryKernels
import TapestryCore

/// The single weights of a convolution that are not zero, as kernels read them, in a plan's collection of constants.
struct PackedSparse {
    let copies: Int
    let copyCount: Int
    let strip: Int
    let length: Int
    let before: Int
    let sliceCount: Int
    let ends: Int
    let terms: Int
    let bias: Int
    /// Weights that are not zero.
    let termCount: Int
    /// Floats that a thread needs for copies and masks.
    let room: Int

    /// Input channels whose terms are summed up before the next ones': their copies of a tile stay in the nearest cache.
    private static let slice = 16
    /// Floats of the copies that a strip may have, to stay in the second cache.
    private static let mostCopied = 160_000

    /// For values of `layout`'s pitch in vectors of `lanes` floats, of which a strip has at most `mostVectors`.
    init(
        _ layer: LayerWeights, layout: tk_image, lanes: Int, mostVectors: Int,
        in collection: inout PlanStorage.Collection
    ) {
        let (pitch, channels) = (Int(layout.row), Int(layout.channels))
        let convolution = layer.convolution
        let grid = SparseGrid(layer, pitch: pitch, lanes: lanes)
        let before = min(0, grid.offsets.values.min() ?? 0)
        self.before = before
        let reach = max(0, grid.offsets.values.max() ?? 0) - before
        let vectors = ((Int(layout.height) - 1) * pitch + Int(layout.width) + lanes - 1) / lanes
        let fitting = Self.mostCopied / (max(1, grid.copies.count) * channels) - reach
        strip = max(min(vectors, mostVectors, fitting / lanes), 1)
        // An odd number of vectors: the same position of many channels then falls into different sets of the caches.
        let length = ((strip * lanes + reach) / lanes | 1) * lanes
        self.length = length
        copies = collection.copies.count
        copyCount = grid.copies.count
        collection.copies += grid.copies
        room = (copyCount * channels + 1) * length
        bias = collection.append(layer.bias.map { Float($0) })
        (terms, ends) = (collection.terms.count, collection.integers.count)
        sliceCount = (channels + Self.slice - 1) / Self.slice
        var count = 0
        for slice in 0..<sliceCount {
            let range = slice * Self.slice..<min((slice + 1) * Self.slice, channels)
            for output in 0..<convolution.outputChannels {
                collection.integers.append(Int32(collection.terms.count - terms))
                let weights = layer.nonzeroWeights(of: output, in: range)
                count += weights.count
                let places = weights.map { weight in
                    let place = (grid.copy[weight.tap]! * channels + weight.channel) * length
                    return UInt16((place + grid.offsets[weight.tap]! - before) / lanes)
                }
                collection.terms += Self.terms(places, weights.map(\.value))
            }
        }
        termCount = count
        collection.integers.append(Int32(collection.terms.count - terms))
    }

    /// In fours; what the last one has too many reads what is read anyway, times zero.
    private static func terms(_ places: [UInt16], _ weights: [Float]) -> [tk_terms] {
        stride(from: 0, to: places.count, by: 4).map { start in
            func place(_ index: Int) -> UInt16 { places[min(start + index, places.count - 1)] }
            func weight(_ index: Int) -> Float { start + index < weights.count ? weights[start + index] : 0 }
            return tk_terms(
                vectors: (place(0), place(1), place(2), place(3)),
                weights: (weight(0), weight(1), weight(2), weight(3)))
        }
    }

    /// Whether the places of the copies' vectors have numbers enough, even with one vector in a strip.
    static func canPlace(channels: Int, copies: Int, pitch: Int, rows: Int, lanes: Int) -> Bool {
        copies * channels * (2 * rows * pitch / lanes + 4) <= Int(UInt16.max)
    }
}

/// How the offsets of the taps that have weights lie to vectors of a plane.
struct SparseGrid {
    private(set) var copies: [tk_copy] = []
    /// For each tap: the copy that it reads, and how far from its position, in floats, a multiple of a vector.
    private(set) var copy: [Int: Int] = [:]
    private(set) var offsets: [Int: Int] = [:]

    init(_ layer: LayerWeights, pitch: Int, lanes: Int) {
        let convolution = layer.convolution
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() where layer.hasWeights(at: index) {
            let place = convolution.tap(tap, firstChannel: 0, words: 1)
            let rows = Int(place.row) * pitch
            let shift = (rows % lanes + lanes) % lanes
            let known = copies.firstIndex { $0.shift == shift && $0.column == place.column }
            if known == nil { copies.append(tk_copy(shift: Int32(shift), column: place.column)) }
            copy[index] = known ?? copies.count - 1
            offsets[index] = rows - shift
        }
    }
}

extension LayerWeights {
    /// A weight that is not zero, with what is folded into it. Channels are counted over all groups.
    struct Nonzero {
        let tap: Int
        let channel: Int
        let value: Float
    }

    /// Of one output and input channels of a range, tap by tap.
    func nonzeroWeights(of output: Int, in channels: Range<Int>) -> [Nonzero] {
        let area = convolution.kernel.area
        let perGroup = convolution.channelsPerGroup
        let first = output / (convolution.outputChannels / convolution.groups) * perGroup
        let range = channels.clamped(to: first..<first + perGroup)
        return (0..<area).flatMap { tap in
            range.compactMap { channel in
                let weight = dense[(output * perGroup + channel - first) * area + tap]
                return weight == 0
                    ? nil : Nonzero(tap: tap, channel: channel, value: Float(Double(weight) * scale[output]))
            }
        }
    }

    func hasWeights(at tap: Int) -> Bool {
        stride(from: tap, to: dense.count, by: convolution.kernel.area).contains { dense[$0] != 0 }
    }

    /// How many weights are not zero.
    var nonzeroCount: Int { dense.lazy.filter { $0 != 0 }.count }
}
