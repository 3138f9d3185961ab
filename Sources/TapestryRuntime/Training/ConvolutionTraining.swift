import CTapestryKernels
import Glibc
import TapestryCore

/// A convolution on a support, trained by Tapestry's own kernels: its value, and the gradients of its input and weights.
///
/// Values are stored densely, N x H x W x C, in the precision of the instruction set; weights and their gradients are
/// floats, O x H x W x I/groups, zero off the support. Images go through in groups that a cache holds: the input is
/// brought into the form that kernels want there, as it is read (`StoredReading`), and never stored that way.
///
/// Sums are added up in an order that the extents alone determine, whatever the number of threads.
public final class ConvolutionTraining: Sendable {
    public let convolution: Convolution
    public let inputSize: Size
    public let outputSize: Size
    public let instructionSet: InstructionSet
    let layouts: TrainingLayouts
    let forward: TrainingPacking
    let phases: [Phase]
    let products: WeightGradientPlan

    /// The inputs whose gradients take the same taps: of a stride s every s-th row and column.
    struct Phase: Sendable {
        let first: Tap
        let size: Size
        let packing: TrainingPacking
    }

    /// Nil where there are no kernels for it: an unusual number of channels in bf16, groups of few channels, masks.
    public init?(_ convolution: Convolution, inputSize: Size, outputSize: Size, instructionSet: InstructionSet) {
        let wordElements = instructionSet.wordElements
        let (inputs, outputs) = (convolution.channelsPerGroup, convolution.outputChannels / convolution.groups)
        if case .mask = convolution.support { return nil }
        // The first layer's input may have any number: nothing is written there.
        guard outputs % wordElements == 0, convolution.groups == 1 || inputs % wordElements == 0 && inputs >= 4,
            wordElements == 1 || inputs % 2 == 0 || inputs < 4
        else { return nil }
        self.convolution = convolution
        self.inputSize = inputSize
        self.outputSize = outputSize
        self.instructionSet = instructionSet
        layouts = TrainingLayouts(
            convolution, inputSize: inputSize, outputSize: outputSize, wordElements: wordElements)
        let lanes = instructionSet.lanes
        forward = TrainingPacking(forward: convolution, lanes: lanes, wordElements: wordElements)
        let stride = convolution.stride
        phases = (0..<stride.height).flatMap { row in
            (0..<stride.width).compactMap { column in
                let size = Size(
                    height: (inputSize.height - row + stride.height - 1) / stride.height,
                    width: (inputSize.width - column + stride.width - 1) / stride.width)
                let phase = Tap(row: row, column: column)
                return size.height <= 0 || size.width <= 0
                    ? nil
                    : Phase(
                        first: phase, size: size,
                        packing: TrainingPacking(
                            mirrored: convolution, phase: phase, lanes: lanes, wordElements: wordElements))
            }
        }
        products = WeightGradientPlan(convolution, layouts, kernels: instructionSet.kernels.pointee)
    }

    /// Whether there are kernels for the gradient of the input too: not for an odd number of channels in bf16, which a
    /// network's images may have.
    public var givesInputGradient: Bool { convolution.inputChannels % instructionSet.wordElements == 0 }

    var kernels: tk_kernels { instructionSet.kernels.pointee }
    var elementSize: Int { instructionSet.precision.elementSize }

    /// The images of a part of a batch.
    func images(of part: Int, in batch: Int) -> Range<Int> {
        let size = partSize(batch)
        return part * size..<min(batch, (part + 1) * size)
    }

    func partCount(_ batch: Int) -> Int { (batch + partSize(batch) - 1) / partSize(batch) }

    /// Nearly equal parts of at most the capacity; of even numbers of images where pairs of them make words.
    private func partSize(_ batch: Int) -> Int {
        let parts = (batch + layouts.capacity - 1) / layouts.capacity
        let size = (batch + parts - 1) / parts
        return layouts.walksImages && elementSize < 4 ? min(layouts.capacity, (size + 1) / 2 * 2) : size
    }
}

// MARK: - Forward

extension ConvolutionTraining {
    /// y = the convolution of `images` images `x`. Where they are asked for, the moments of y.
    public func run(
        _ x: UnsafeRawPointer, _ reading: StoredReading, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        into y: UnsafeMutableRawPointer, images batch: Int, findsMoments: Bool, _ team: TrainingTeam
    ) -> ChannelMoments? {
        let channels = convolution.outputChannels
        let packed = team.sharedMemory(for: .packedWeights, bytes: 4 * (forward.size + channels + 64))
            .assumingMemoryBound(to: Float.self)
        let biases = packed + forward.size
        biases.update(repeating: 0, count: channels + 64)
        if let bias { biases.update(from: bias, count: channels) }
        forward.pack(weights, into: packed, by: kernels, team)
        let parts = partCount(batch)
        let sums = ChannelSums(channels: channels, parts: findsMoments ? parts : 0)
        defer { sums.deallocate() }
        nonisolated(unsafe) let (x, y) = (x, y)
        team.forEach(parts) { part, worker in
            let images = self.images(of: part, in: batch)
            let memory = WorkerMemory(self, team, worker)
            read(x, reading, images, into: memory)
            let pixels = images.count * outputSize.area
            let target = y + images.lowerBound * outputSize.area * channels * elementSize
            let output = denseImage(outputSize, channels: channels)
            convolve(
                forward, from: layouts.input, at: memory.input, to: output, target, residual: nil, packed: packed,
                bias: biases, stride: convolution.stride, images: images.count, memory)
            if findsMoments {
                kernels.find_moments(Int64(pixels), Int32(channels), target, sums.first(part), sums.second(part))
            }
        }
        guard findsMoments else { return nil }
        return sums.moments { images(of: $0, in: batch).count * outputSize.area }
    }

    func denseImage(_ size: Size, channels: Int) -> tk_image {
        tk_image(
            height: Int32(size.height), width: Int32(size.width), channels: Int32(channels), pixel: Int32(channels),
            channel: 1, row: Int64(size.width * channels), image: Int64(size.area * channels))
    }

    /// Brings images of the input into a worker's memory.
    func read(_ x: UnsafeRawPointer, _ reading: StoredReading, _ images: Range<Int>, into memory: WorkerMemory) {
        let source = x + images.lowerBound * inputSize.area * convolution.inputChannels * elementSize
        place(source, reading, layouts.input, at: memory.input, images: images.count)
    }

    func place(
        _ source: UnsafeRawPointer, _ reading: StoredReading, _ layout: TrainingLayouts.Layout,
        at target: UnsafeMutableRawPointer, images: Int
    ) {
        var image = layout.image
        let lead = Int64(layout.lead)
        if !layouts.walksImages {
            kernels.clear_pads(&image, lead, target, tk_share(images: Int32(images), part: 0, parts: 1))
        }
        reading.withReading { kernels.read_images(&image, $0, source, target, Int32(images)) }
    }

    /// Makes words of what was placed, where a word of a sum over positions is two of them: neighbours along the rows, or
    /// where those lie together the same position of two images.
    func pair(
        _ layout: TrainingLayouts.Layout, at x: UnsafeMutableRawPointer, words: UnsafeMutableRawPointer, images: Int,
        isInput: Bool
    ) {
        guard let pairPositions = kernels.pair_positions else { return }
        let words = words.assumingMemoryBound(to: Float.self)
        let (pixel, size) = (layout.pixel, elementSize)
        let distance = isInput && !layouts.walksImages ? convolution.stride.width : 1
        if layouts.walksImages {
            // The last of an odd number goes with zeros.
            if images % 2 == 1 {
                let step = Int(layout.image.pixel)
                for position in 0..<Int(layout.image.height * layout.image.width) {
                    memset(x + (position * step + images * pixel) * size, 0, pixel * size)
                }
            }
            pairPositions(Int64(layouts.capacity * layout.imageSpan / pixel), 2, Int64(pixel), 1, x, words)
            return
        }
        memset(x + images * layout.imageSpan * size, 0, distance * pixel * size)
        let lead = layout.lead / pixel
        // Of the gradient every second position is the first of a word, as long as images and rows do not begin between.
        let isEven = layouts.isFlat && lead % 2 == 0 && (layout.imageSpan / pixel % 2 == 0 || images == 1)
        let step = !isInput && isEven ? 2 : 1
        pairPositions(
            Int64(lead + images * layout.imageSpan / pixel), Int64(step), Int64(pixel), Int64(distance),
            x - lead * pixel * size, words - lead * pixel)
    }

    func convolve(
        _ packing: TrainingPacking, from layout: TrainingLayouts.Layout, at x: UnsafeRawPointer, to output: tk_image,
        _ y: UnsafeMutableRawPointer, residual: UnsafeRawPointer?, packed: UnsafePointer<Float>,
        bias: UnsafePointer<Float>, stride: Size, images: Int, _ memory: WorkerMemory
    ) {
        packing.withBlocks { blocks, taps in
            var convolution = tk_convolution(
                input: layout.image, output: output, stride_height: Int32(stride.height),
                stride_width: Int32(stride.width), walk: layouts.walksImages ? TK_IMAGES : TK_ROWS,
                splits_outputs: false, stores_floats: false, activation: TK_IDENTITY, block_count: Int32(blocks.count),
                blocks: blocks.baseAddress, taps: taps.baseAddress, weights: packed, bias: bias)
            kernels.convolve(
                &convolution, x, residual, y, memory.room, tk_share(images: Int32(images), part: 0, parts: 1))
        }
    }
}

/// What one thread works with: images of the input and of the output's gradient, and room for a kernel's entries.
struct WorkerMemory {
    /// At the first pixel.
    let input, output: UnsafeMutableRawPointer
    /// Where pairs of positions are words, those; otherwise the same.
    let inputWords, outputWords: UnsafeMutableRawPointer
    let room: UnsafeMutablePointer<tk_entry>

    init(_ plan: ConvolutionTraining, _ team: TrainingTeam, _ worker: Int) {
        func rounded(_ bytes: Int) -> Int { (bytes + 4095) / 4096 * 4096 + 64 * 5 }
        let layouts = plan.layouts
        let sizes = [layouts.input, layouts.output].map { $0.size(images: layouts.capacity) }
        let (element, isPaired) = (plan.elementSize, plan.elementSize < 4)
        let mostTaps = max(plan.forward.mostTaps, plan.phases.map(\.packing.mostTaps).max() ?? 0)
        let parts =
            [mostTaps * MemoryLayout<tk_entry>.stride] + sizes.map { $0 * element }
            + (isPaired ? sizes.map { $0 * 4 } : [])
        var start = team.memory(of: worker, bytes: parts.reduce(0) { $0 + rounded($1) })
        var starts: [UnsafeMutableRawPointer] = []
        for part in parts {
            starts.append(start)
            start += rounded(part)
        }
        room = starts[0].assumingMemoryBound(to: tk_entry.self)
        input = starts[1] + layouts.input.lead * element
        output = starts[2] + layouts.output.lead * element
        inputWords = isPaired ? starts[3] + layouts.input.lead * 4 : input
        outputWords = isPaired ? starts[4] + layouts.output.lead * 4 : output
    }
}
