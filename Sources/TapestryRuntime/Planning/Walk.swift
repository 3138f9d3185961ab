import CTapestryKernels
import TapestryCore

/// How the positions of a convolution's outputs are walked, and what that is expected to cost.
struct Walk {
    let kind: tk_walk
    /// The zeros that it reads around its input.
    let pads: Pads
    /// Vector multiplications for each weight vector pair, outputs at pads included.
    let cost: Double

    /// The cheapest for a number of images at a time, where values have so many columns of zeros anyway.
    static func cheapest(
        for convolution: Convolution, from input: Extents, to output: Extents, images: Int,
        padColumns: Int, by kernel: ConvolutionKernel, _ instructionSet: InstructionSet
    ) -> Walk {
        let kernels = instructionSet.kernels.pointee
        let mostPositions = Int(kernel == .split ? kernels.matrix_positions : kernels.most_positions)
        let pads = convolution.pads(from: input, to: output)
        /// Of a line of positions cut into nearly equal tiles. A tile of few positions waits for its own sums.
        func line(_ length: Int) -> Double {
            let tiles = Double((length + mostPositions - 1) / mostPositions)
            return tiles * (1 + max(2 * Double(length) / tiles, 9))
        }
        let positions = Double(output.height * output.width)
        // One position of all images after the other takes its window from as many places: all of them should be near.
        let imageSize =
            input.height * input.width * ValueLayout.pixel(channels: input.channels)
            * instructionSet.precision.elementSize
        let isFar = images * imageSize > 1 << 21
        var walks = [
            Walk(
                kind: TK_IMAGES, pads: Pads(),
                cost: positions * line(images) * convolution.shareInside(input, output) * (isFar ? 1.3 : 1)),
            Walk(kind: TK_ROWS, pads: pads, cost: Double(images * output.height) * line(output.width)),
        ]
        if convolution.keepsSize(input, output) {
            let length = (output.height - 1) * (output.width + max(pads.columns, padColumns)) + output.width
            walks.append(Walk(kind: TK_FLAT, pads: pads, cost: Double(images) * line(length)))
        }
        // Taps that share what they read are all there at every position.
        if kernel == .rows { walks.removeFirst() }
        return walks.min { $0.cost < $1.cost }!
    }
}

extension Convolution {
    /// How far taps reach out of the image.
    func pads(from input: Extents, to output: Extents) -> Pads {
        func beyond(_ kernel: Int, _ dilation: Int, _ stride: Int, _ before: Int, _ length: Int, _ outputs: Int) -> Int
        {
            max(before, (outputs - 1) * stride + (kernel - 1) * dilation - before - (length - 1), 0)
        }
        return Pads(
            rows: beyond(kernel.height, dilation.height, stride.height, padding.top, input.height, output.height),
            columns: beyond(kernel.width, dilation.width, stride.width, padding.left, input.width, output.width))
    }

    /// The share of taps that lie inside the image, over all positions.
    func shareInside(_ input: Extents, _ output: Extents) -> Double {
        func share(_ kernel: Int, _ dilation: Int, _ stride: Int, _ before: Int, _ length: Int, _ outputs: Int)
            -> Double
        {
            var inside = 0
            for position in 0..<outputs {
                for tap in 0..<kernel where (0..<length).contains(position * stride + tap * dilation - before) {
                    inside += 1
                }
            }
            return Double(inside) / Double(outputs * kernel)
        }
        return share(kernel.height, dilation.height, stride.height, padding.top, input.height, output.height)
            * share(kernel.width, dilation.width, stride.width, padding.left, input.width, output.width)
    }
}

extension tk_walk {
    var description: String {
        switch self {
        case TK_FLAT: "through rows"
        case TK_ROWS: "by row"
        default: "by image"
        }
    }
}
