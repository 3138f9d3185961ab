import CTapestryKernels
import TapestryCore

/// What training does with stored values beside convolving them: each a single pass over memory.
///
/// Values are `pixels` x `channels`, densely, in the instruction set's precision.
public struct StoredValueArithmetic {
    let instructionSet: InstructionSet
    let team: TrainingTeam

    public init(_ instructionSet: InstructionSet, _ team: TrainingTeam) {
        (self.instructionSet, self.team) = (instructionSet, team)
    }

    var kernels: tk_kernels { instructionSet.kernels.pointee }

    /// Calls `body` with parts that the extents alone determine: their number, the first pixel, how many, and the bytes
    /// before them.
    private func forEachPart(
        _ pixels: Int, _ channels: Int, _ body: (_ part: Int, _ pixels: Int64, _ offset: Int) -> Void
    ) {
        let count = partCount(pixels, channels)
        let pixelSize = channels * instructionSet.precision.elementSize
        team.forEach(count) { part, _ in
            let first = pixels * part / count
            body(part, Int64(pixels * (part + 1) / count - first), first * pixelSize)
        }
    }

    private func partCount(_ pixels: Int, _ channels: Int) -> Int { max(1, min(pixels, pixels * channels / 32768)) }

    /// y = a + b, each as it is read.
    public func add(
        _ a: UnsafeRawPointer, _ readingA: StoredReading, _ b: UnsafeRawPointer?, _ readingB: StoredReading,
        into y: UnsafeMutableRawPointer, pixels: Int, channels: Int
    ) {
        nonisolated(unsafe) let (a, b, y) = (a, b, y)
        forEachPart(pixels, channels) { _, count, offset in
            readingA.withReading { readingA in
                readingB.withReading { readingB in
                    kernels.add_readings(
                        count, Int32(channels), readingA, a + offset, readingB, b.map { $0 + offset }, y + offset)
                }
            }
        }
    }

    /// The moments of a value.
    public func moments(_ x: UnsafeRawPointer, pixels: Int, channels: Int) -> ChannelMoments {
        let parts = partCount(pixels, channels)
        let sums = ChannelSums(channels: channels, parts: parts)
        defer { sums.deallocate() }
        nonisolated(unsafe) let x = x
        forEachPart(pixels, channels) { part, count, offset in
            kernels.find_moments(count, Int32(channels), x + offset, sums.first(part), sums.second(part))
        }
        return sums.moments { pixels * ($0 + 1) / parts - pixels * $0 / parts }
    }

    /// The gradient of what goes into the reading's ReLU, from that of what was read; and with `means` its sums for the
    /// reading's batch norm. Without `g` the sums alone.
    public func gradient(
        of reading: StoredReading, _ x: UnsafeRawPointer, means: [Float]?, upstream: UnsafeRawPointer,
        into g: UnsafeMutableRawPointer?, pixels: Int, channels: Int
    ) -> GradientSums? {
        let sums = ChannelSums(channels: channels, parts: means == nil ? 0 : partCount(pixels, channels))
        defer { sums.deallocate() }
        nonisolated(unsafe) let (x, upstream, g) = (x, upstream, g)
        forEachPart(pixels, channels) { part, count, offset in
            reading.withReading { reading in
                let target = g.map { $0 + offset }
                if let means {
                    kernels.take_gradient(
                        count, Int32(channels), reading, x + offset, means, upstream + offset, target, sums.first(part),
                        sums.second(part))
                } else {
                    kernels.take_gradient(
                        count, Int32(channels), reading, x + offset, nil, upstream + offset, target, nil, nil)
                }
            }
        }
        guard means != nil else { return nil }
        return sums.totals()
    }

    /// The gradient of a batch norm's input `x` from that of what it gave; `g` may be `upstream`.
    public func normalize(
        _ upstream: UnsafeRawPointer, _ x: UnsafeRawPointer, by norm: NormGradient, into g: UnsafeMutableRawPointer,
        pixels: Int, channels: Int
    ) {
        nonisolated(unsafe) let (x, upstream, g) = (x, upstream, g)
        forEachPart(pixels, channels) { _, count, offset in
            var line = tk_image(dense: Size(height: 1, width: Int(count)), channels: channels)
            kernels.normalize_gradient(
                &line, norm.factors, norm.slopes, norm.offsets, x + offset, upstream + offset, g + offset, 1)
        }
    }
}
