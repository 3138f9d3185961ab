import CTapestryKernels
import Glibc
import TapestryCore

/// A convolution whose outputs read many channels each: taps, each on a range of channels.
final class TapConvolutionTraining: ConvolutionTraining {
    let convolution: Convolution
    let inputSize: Size
    let outputSize: Size
    let instructionSet: InstructionSet
    let layouts: TrainingLayouts
    let forward: TrainingPacking
    let phases: [Phase]
    let products: WeightGradientPlan

    /// See `Convolution.inputPhases`.
    struct Phase: Sendable {
        let first: Tap
        let size: Size
        let packing: TrainingPacking
    }

    /// Nil where there are no kernels for it; see `Convolution.training`.
    init?(_ convolution: Convolution, inputSize: Size, outputSize: Size, instructionSet: InstructionSet) {
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
        phases = convolution.inputPhases(of: inputSize).map { first, size in
            Phase(
                first: first, size: size,
                packing: TrainingPacking(
                    mirrored: convolution, phase: first, lanes: lanes, wordElements: wordElements))
        }
        products = WeightGradientPlan(convolution, layouts, kernels: instructionSet.kernels.pointee)
    }

    /// Not for an odd number of channels in bf16, which a network's images may have.
    var givesInputGradient: Bool { convolution.inputChannels % instructionSet.wordElements == 0 }

    var kernels: tk_kernels { instructionSet.kernels.pointee }
    var elementSize: Int { instructionSet.precision.elementSize }
}

// MARK: - Forward

extension TapConvolutionTraining {
    func run(
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
        let parts = layouts.parts(of: batch)
        let sums = ChannelSums(channels: channels, parts: findsMoments ? parts.count : 0)
        defer { sums.deallocate() }
        nonisolated(unsafe) let (x, y) = (x, y)
        team.forEach(parts.count) { part, worker in
            let images = parts[part]
            let memory = WorkerMemory(self, team, worker)
            read(x, reading, images, into: memory)
            let pixels = images.count * outputSize.area
            let target = y + images.lowerBound * outputSize.area * channels * elementSize
            let output = tk_image(dense: outputSize, channels: channels)
            convolve(
                forward, from: layouts.input, at: memory.input, to: output, target, residual: nil, packed: packed,
                bias: biases, stride: convolution.stride, images: images.count, memory)
            if findsMoments {
                kernels.find_moments(Int64(pixels), Int32(channels), target, sums.first(part), sums.second(part))
            }
        }
        guard findsMoments else { return nil }
        return sums.moments { parts[$0].count * outputSize.area }
    }

    /// Brings images of the input into a worker's memory.
    func read(_ x: UnsafeRawPointer, _ reading: StoredReading, _ images: Range<Int>, into memory: WorkerMemory) {
        let source = x + images.lowerBound * inputSize.area * convolution.inputChannels * elementSize
        layouts.place(source, reading, layouts.input, at: memory.input, images: images.count, by: kernels)
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
                splits_outputs: false, stores_floats: false,
                shares_columns: !layouts.walksImages && stride == .square(1), activation: TK_IDENTITY,
                block_count: Int32(blocks.count), blocks: blocks.baseAddress, taps: taps.baseAddress, weights: packed,
                bias: bias)
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

    init(_ plan: TapConvolutionTraining, _ team: TrainingTeam, _ worker: Int) {
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
