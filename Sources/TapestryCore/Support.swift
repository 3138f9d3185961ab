/// Where a convolution may have weights: the set of (output channel, input channel, tap) positions.
///
/// A dense kernel, an any-shape kernel and a sparse mask are values of this one type. Whoever needs speed asks a
/// convolution about its support (`Convolution.outputBlocks`, `isDense`) and never which method made it.
public enum Support: Hashable, Sendable {
    /// Every position.
    case dense

    /// Output channels split into as many equal contiguous groups as there are sets; group g has the taps of set g, on
    /// all of its input channels (ASKs: Convolution with any-shape kernels, Neurocomputing 2021).
    case tapSets([TapSet])

    /// Output and input channels split into `parts` equal blocks: output block i has every tap on input block i, and the
    /// middle tap on the others (Singh et al., "HetConv", CVPR 2019; the middle of an uneven extent is what counts).
    case blockDiagonal(parts: Int)

    /// One tap for each input channel (of a group), the same for all outputs: a 1x1 convolution of shifted channels.
    case channelTaps([Tap])

    /// Any set of positions.
    case mask(WeightMask)
}

/// A set of positions of an OIHW weight tensor, one bit each.
public struct WeightMask: Hashable, Sendable {
    /// One past the largest position: O * I * H * W.
    public let size: Int
    private var words: [UInt64]

    /// The positions, as row-major OIHW indices, at which `isKept` holds.
    public init(size: Int, where isKept: (Int) -> Bool) {
        self.size = size
        words = Array(repeating: 0, count: (size + 63) / 64)
        for position in 0..<size where isKept(position) { words[position / 64] |= 1 << UInt64(position % 64) }
    }

    public func contains(_ position: Int) -> Bool { words[position / 64] >> UInt64(position % 64) & 1 == 1 }

    public var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

    /// The bits as hexadecimal, 16 digits for 64 positions, position 0 the lowest bit of the first 16 digits.
    package var hexadecimal: String {
        words.map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// Nil unless `hexadecimal` has exactly the digits of `size` positions, none set beyond the last.
    package init?(size: Int, hexadecimal: String) {
        let digits = hexadecimal.utf8
        guard (0...Limits.weightCount).contains(size), digits.count == (size + 63) / 64 * 16 else { return nil }
        self.size = size
        words = []
        words.reserveCapacity(digits.count / 16)
        var (word, count) = (UInt64(0), 0)
        for digit in digits {
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue else { return nil }
            word = word << 4 | UInt64(value)
            count += 1
            if count % 16 == 0 { words.append(word) }
        }
        if size % 64 != 0, let last = words.last, last >> UInt64(size % 64) != 0 { return nil }
    }
}
