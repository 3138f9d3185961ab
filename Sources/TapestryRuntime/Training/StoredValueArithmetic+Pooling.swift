import CTapestryKernels
import TapestryCore

/// A pool of images of so many channels: the largest values of windows, or the means.
public struct WindowPool: Sendable {
    public let pooling: Pooling
    public let takesMean: Bool
    public let inputSize: Size
    public let outputSize: Size
    public let channels: Int

    public init(_ pooling: Pooling, takesMean: Bool, inputSize: Size, outputSize: Size, channels: Int) {
        (self.pooling, self.takesMean) = (pooling, takesMean)
        (self.inputSize, self.outputSize, self.channels) = (inputSize, outputSize, channels)
    }

    fileprivate var description: tk_pooling {
        tk_pooling(
            input: tk_image(dense: inputSize, channels: channels),
            output: tk_image(dense: outputSize, channels: channels), kernel_height: Int32(pooling.kernel.height),
            kernel_width: Int32(pooling.kernel.width), stride_height: Int32(pooling.stride.height),
            stride_width: Int32(pooling.stride.width), top: Int32(pooling.padding.top),
            left: Int32(pooling.padding.left), takes_mean: takesMean)
    }
}

extension StoredValueArithmetic {
    /// y = the pool of `x`, as it is read. Which values are the largest is not kept: the way back finds them again, which costs a comparison where an index would cost memory.
    public func pool(
        _ x: UnsafeRawPointer, _ reading: StoredReading, by pool: WindowPool, into y: UnsafeMutableRawPointer,
        images: Int
    ) {
        let (input, output) = elementBytes(of: pool)
        nonisolated(unsafe) let (x, y) = (x, y)
        team.forEach(images) { image, _ in
            var description = pool.description
            reading.withReading {
                kernels.pool_readings(&description, $0, x + image * input, y + image * output, 1)
            }
        }
    }

    /// The gradient of what was pooled from that of the pool, `upstream`: each goes to the first of a window's largest
    /// values, or to all in equal shares. Returns the sums for the batch norm through which `x` was read, where means were given.
    public func gradient(
        of pool: WindowPool, _ x: UnsafeRawPointer, _ reading: StoredReading, upstream: UnsafeRawPointer,
        into gradient: InputGradient, images: Int
    ) -> GradientSums? {
        precondition(gradient.addend == nil)
        let (input, output) = elementBytes(of: pool)
        let sums = ChannelSums(channels: pool.channels, parts: gradient.means == nil ? 0 : images)
        defer { sums.deallocate() }
        nonisolated(unsafe) let (x, upstream, gradient) = (x, upstream, gradient)
        team.forEach(images) { image, _ in
            var description = pool.description
            reading.withReading {
                kernels.spread_pool_gradient(
                    &description, $0, x + image * input, upstream + image * output, gradient.target + image * input, 1)
            }
            gradient.passReading(
                reading, of: x, at: image * input, pixels: pool.inputSize.area, channels: pool.channels, sums: sums,
                part: image, by: kernels)
        }
        return gradient.means == nil ? nil : sums.totals()
    }

    /// Bytes of an image.
    private func elementBytes(of pool: WindowPool) -> (input: Int, output: Int) {
        let pixel = pool.channels * instructionSet.precision.elementSize
        return (pool.inputSize.area * pixel, pool.outputSize.area * pixel)
    }
}
