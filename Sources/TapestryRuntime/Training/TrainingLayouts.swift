import CTapestryKernels
import TapestryCore

/// How some images lie while a convolution is trained on them: its input as it is read, and the gradient of its output,
/// both in a thread's own memory.
struct TrainingLayouts {
    /// Where a value of some images lies; in elements.
    struct Layout {
        let image: tk_image
        /// Zeros before the first pixel.
        let lead: Int

        /// Elements of an image with its zeros, and those from a position to the next.
        let imageSpan, pixel: Int

        /// Elements, with room behind for some positions and vectors to be read.
        func size(images: Int) -> Int { lead + images * imageSpan + slack * pixel + 64 }
        /// Positions behind the last image that pairs of positions reach.
        let slack: Int
    }

    let inputSize: Size
    let outputSize: Size
    let input: Layout
    let output: Layout
    /// Images at a time: enough that weights are worth loading for them, few enough for a core's cache to hold them and
    /// what is made of them.
    let capacity: Int
    /// Whether the same pixel of all images lies together, without zeros around: of small images, so that taps outside
    /// of them are left out, and positions enough lie in a row.
    let walksImages: Bool
    /// Whether positions of an image are all equally far apart, in the input and in the gradient.
    let isFlat: Bool
    private let wordElements: Int

    init(_ convolution: Convolution, inputSize: Size, outputSize: Size, wordElements: Int) {
        self.inputSize = inputSize
        self.outputSize = outputSize
        self.wordElements = wordElements
        func words(_ channels: Int) -> Int { (channels + wordElements - 1) / wordElements * wordElements }
        let (inputPixel, outputPixel) = (words(convolution.inputChannels), words(convolution.outputChannels))
        walksImages = outputSize.area <= 64 && !convolution.isDepthwise
        let bytes = (inputSize.area * inputPixel + outputSize.area * outputPixel) * 4 / wordElements
        if walksImages {
            // An even number, which pairs of images are.
            capacity = outputSize.area > 16 ? 14 : 32
            input = Self.byPixel(inputSize, inputPixel, convolution.inputChannels, images: capacity)
            output = Self.byPixel(outputSize, outputPixel, convolution.outputChannels, images: capacity)
            isFlat = false
        } else {
            capacity = max(1, min(8, (1 << 19) / bytes))
            let pads = convolution.trainingPads(inputSize, outputSize)
            isFlat = convolution.stride == .square(1) && inputSize == outputSize
            // Where words are pairs of positions, the last one of a row or an image has a zero beside it.
            let columns = max(pads.input.columns, pads.output.columns, wordElements - 1)
            input = Self.byImage(
                inputSize, inputPixel, convolution.inputChannels,
                Pads(rows: pads.input.rows, columns: isFlat ? columns : pads.input.columns),
                slack: convolution.stride.width)
            output = Self.byImage(
                outputSize, outputPixel, convolution.outputChannels,
                Pads(rows: pads.output.rows, columns: isFlat ? columns : max(pads.output.columns, wordElements - 1)),
                slack: 1)
        }
    }

    private static func byPixel(_ size: Size, _ pixel: Int, _ channels: Int, images: Int) -> Layout {
        let step = pixel * images
        return Layout(
            image: tk_image(
                height: Int32(size.height), width: Int32(size.width), channels: Int32(channels), pixel: Int32(step),
                channel: 1, row: Int64(size.width * step), image: Int64(pixel)),
            lead: 0, imageSpan: size.area * pixel, pixel: pixel, slack: 1)
    }

    private static func byImage(
        _ size: Size, _ pixel: Int, _ channels: Int, _ pads: Pads, slack: Int
    ) -> Layout {
        let row = (size.width + pads.columns) * pixel
        let image = (size.height + pads.rows) * row
        return Layout(
            image: tk_image(
                height: Int32(size.height), width: Int32(size.width), channels: Int32(channels), pixel: Int32(pixel),
                channel: 1, row: Int64(row), image: Int64(image)),
            lead: (pads.rows * row + pads.columns * pixel + 63) / 64 * 64, imageSpan: image, pixel: pixel, slack: slack)
    }

    /// The parts in which a batch goes through: of even numbers of images where pairs of them make words.
    func parts(of batch: Int) -> BatchParts {
        let fewest = (batch + capacity - 1) / capacity
        // Of an odd number two threads would wait for one at the end; of very few images one is as fast.
        let parts = batch < 8 ? fewest : (fewest + 1) / 2 * 2
        let size = (batch + parts - 1) / parts
        return BatchParts(
            batch: batch, size: walksImages && wordElements > 1 ? min(capacity, (size + 1) / 2 * 2) : size)
    }

    /// Brings dense images into one of the layouts, as they are read.
    func place(
        _ source: UnsafeRawPointer, _ reading: StoredReading, _ layout: Layout, at target: UnsafeMutableRawPointer,
        images: Int, by kernels: tk_kernels
    ) {
        var image = layout.image
        clearPads(of: layout, at: target, images: images, by: kernels)
        reading.withReading { kernels.read_images(&image, $0, source, target, Int32(images)) }
    }

    /// Brings the gradient of the output into its layout, of so many images from `offset` bytes on.
    func place(
        _ gradient: StoredGradient, from offset: Int, at target: UnsafeMutableRawPointer, images: Int,
        by kernels: tk_kernels
    ) {
        guard let norm = gradient.norm, let value = gradient.output else {
            place(gradient.data + offset, StoredReading(), output, at: target, images: images, by: kernels)
            return
        }
        var image = output.image
        clearPads(of: output, at: target, images: images, by: kernels)
        kernels.normalize_gradient(
            &image, norm.factors, norm.slopes, norm.offsets, value + offset, gradient.data + offset, target,
            Int32(images))
    }

    private func clearPads(
        of layout: Layout, at target: UnsafeMutableRawPointer, images: Int, by kernels: tk_kernels
    ) {
        guard !walksImages else { return }
        var image = layout.image
        kernels.clear_pads(&image, Int64(layout.lead), target, tk_share(images: Int32(images), part: 0, parts: 1))
    }

    /// Positions from an image's first to its last one.
    var flatLength: Int {
        (outputSize.height - 1) * Int(output.image.row / Int64(output.image.pixel)) + outputSize.width
    }

    /// The rows or columns of outputs that a tap so far from their window reads inside of the image.
    func outputs(inside offset: Int, stride: Int, _ extent: KeyPath<Size, Int>) -> Range<Int> {
        let first = max(0, (-offset + stride - 1) / stride)
        let end = min(outputSize[keyPath: extent], (inputSize[keyPath: extent] - 1 - offset) / stride + 1)
        return inputSize[keyPath: extent] - 1 - offset >= 0 && first < end ? first..<end : 0..<0
    }
}

extension tk_image {
    /// Of a value that is stored densely.
    init(dense size: Size, channels: Int) {
        self.init(
            height: Int32(size.height), width: Int32(size.width), channels: Int32(channels), pixel: Int32(channels),
            channel: 1, row: Int64(size.width * channels), image: Int64(size.area * channels))
    }
}

extension Convolution {
    /// The zeros that its taps reach around its input, and those of its gradient around the gradient of the output.
    fileprivate func trainingPads(_ input: Size, _ output: Size) -> (input: Pads, output: Pads) {
        func along(
            _ kernel: Int, _ dilation: Int, _ stride: Int, _ before: Int, _ length: Int, _ outputs: Int
        ) -> (input: Int, output: Int) {
            let reach = (kernel - 1) * dilation
            let input = max(before, (outputs - 1) * stride + reach - before - (length - 1), 0)
            // Input r is read by outputs (r + before - tap) / stride.
            let least = (before - reach) / stride, most = (length - 1 + before) / stride
            return (input, max(-least, most - (outputs - 1), 0))
        }
        let rows = along(kernel.height, dilation.height, stride.height, padding.top, input.height, output.height)
        let columns = along(kernel.width, dilation.width, stride.width, padding.left, input.width, output.width)
        return (
            Pads(rows: rows.input, columns: columns.input), Pads(rows: rows.output, columns: columns.output)
        )
    }
}
