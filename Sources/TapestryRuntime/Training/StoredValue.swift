import CTapestryKernels

/// How a value that is stored densely, N x H x W x C, is meant: through a batch norm and a ReLU that are applied whenever
/// it is read, and whose results are stored nowhere.
public struct StoredReading: Sendable {
    /// Of the batch norm, by channel: x * factor + offset. Nil where there is none.
    public var scale: (factors: [Float], offsets: [Float])?
    /// Whether max(0, that) follows.
    public var rectifies: Bool

    public init(scale: (factors: [Float], offsets: [Float])? = nil, rectifies: Bool = false) {
        (self.scale, self.rectifies) = (scale, rectifies)
    }

    /// Whether it is meant as it is stored.
    public var isPlain: Bool { scale == nil && !rectifies }

    func withReading<Result>(_ body: (tk_reading) -> Result) -> Result {
        guard let scale else { return body(tk_reading(factors: nil, offsets: nil, rectifies: rectifies)) }
        return scale.factors.withUnsafeBufferPointer { factors in
            scale.offsets.withUnsafeBufferPointer { offsets in
                body(tk_reading(factors: factors.baseAddress, offsets: offsets.baseAddress, rectifies: rectifies))
            }
        }
    }
}

/// How the gradient of a batch norm's input x follows from that of what it gave: factor * upstream + slope * x + offset,
/// by channel.
public struct NormGradient: Sendable {
    let factors, slopes, offsets: [Float]

    public init(factors: [Float], slopes: [Float], offsets: [Float]) {
        (self.factors, self.slopes, self.offsets) = (factors, slopes, offsets)
    }
}

/// How the gradient of a convolution's output is stored, N x H x W x C: as it is; or as that of what a batch norm made of
/// the output, through which it is taken where it is read.
public struct StoredGradient {
    let data: UnsafeRawPointer
    let norm: NormGradient?
    /// The output, where there is a norm.
    let output: UnsafeRawPointer?

    public init(_ data: UnsafeRawPointer) { (self.data, norm, output) = (data, nil, nil) }

    public init(_ data: UnsafeRawPointer, through norm: NormGradient, of output: UnsafeRawPointer) {
        (self.data, self.norm, self.output) = (data, norm, output)
    }
}

/// The mean and the variance (of the values, not of a sample) of each channel, in double precision.
public struct ChannelMoments: Sendable {
    public var means: [Double]
    public var variances: [Double]

    public init(means: [Double], variances: [Double]) { (self.means, self.variances) = (means, variances) }
}

/// What is gathered by channel for parts of a value, two numbers each, and added up in the order of the parts.
struct ChannelSums {
    let channels: Int
    let parts: Int
    private let values: UnsafeMutablePointer<Float>

    init(channels: Int, parts: Int) {
        (self.channels, self.parts) = (channels, parts)
        values = .allocate(capacity: max(1, 2 * channels * parts))
    }

    func deallocate() { values.deallocate() }

    func first(_ part: Int) -> UnsafeMutablePointer<Float> { values + 2 * channels * part }
    func second(_ part: Int) -> UnsafeMutablePointer<Float> { first(part) + channels }

    /// The sums over all parts, of a gradient.
    func totals() -> GradientSums {
        var (sums, products) = (Array(repeating: 0.0, count: channels), Array(repeating: 0.0, count: channels))
        for part in 0..<parts {
            for channel in 0..<channels {
                sums[channel] += Double(first(part)[channel])
                products[channel] += Double(second(part)[channel])
            }
        }
        return (sums, products)
    }

    /// The moments of the whole, of parts of so many values each whose means and sums of squared differences these are
    /// (Chan, Golub and LeVeque, 1979).
    func moments(counts: (Int) -> Int) -> ChannelMoments {
        var (means, squares) = (Array(repeating: 0.0, count: channels), Array(repeating: 0.0, count: channels))
        var total = 0.0
        for part in 0..<parts {
            let count = Double(counts(part))
            total += count
            for channel in 0..<channels {
                let difference = Double(first(part)[channel]) - means[channel]
                means[channel] += difference * count / total
                squares[channel] +=
                    Double(second(part)[channel]) + difference * difference * count * (total - count) / total
            }
        }
        return ChannelMoments(means: means, variances: squares.map { $0 / total })
    }
}
