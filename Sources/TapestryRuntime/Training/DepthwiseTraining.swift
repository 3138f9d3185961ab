import CTapestryKernels
import Glibc
import TapestryCore

/// A convolution of each channel by itself. A shift is one too, of weights 0 and 1.
///
/// Its floor is memory: the input is read and the output written once forward, and backward the output's gradient and
/// the input are read and the input's gradient is written, with 2 operations a tap and element in between, 6 in all.
final class DepthwiseTraining: ConvolutionTraining {
    let convolution: Convolution
    let inputSize: Size
    let outputSize: Size
    let instructionSet: InstructionSet
    private let layouts: TrainingLayouts
    private let forward: DepthwiseTaps
    private let phases: [Phase]

    /// See `Convolution.inputPhases`.
    private struct Phase {
        let first: Tap
        let size: Size
        let taps: DepthwiseTaps
    }

    /// Nil unless it is one of whole vectors of channels, on all taps.
    init?(_ convolution: Convolution, inputSize: Size, outputSize: Size, instructionSet: InstructionSet) {
        guard convolution.isDepthwise, convolution.support == .dense,
            convolution.inputChannels % instructionSet.lanes == 0
        else { return nil }
        self.convolution = convolution
        self.inputSize = inputSize
        self.outputSize = outputSize
        self.instructionSet = instructionSet
        layouts = TrainingLayouts(
            convolution, inputSize: inputSize, outputSize: outputSize, wordElements: instructionSet.wordElements)
        forward = DepthwiseTaps(convolution, layouts.input.image)
        let gradient = layouts.output.image
        phases = convolution.inputPhases(of: inputSize).map { first, size in
            Phase(first: first, size: size, taps: DepthwiseTaps(mirrored: convolution, first, gradient))
        }
    }

    var givesInputGradient: Bool { true }

    private var kernels: tk_kernels { instructionSet.kernels.pointee }
    private var elementSize: Int { instructionSet.precision.elementSize }
    private var channels: Int { convolution.inputChannels }

    /// A thread's copies of some images of the input and of the output's gradient, each at its first pixel.
    private func memory(_ team: TrainingTeam, _ worker: Int) -> (
        input: UnsafeMutableRawPointer, output: UnsafeMutableRawPointer
    ) {
        let sizes = [layouts.input, layouts.output].map {
            ($0.size(images: layouts.capacity) * elementSize + 4095) / 4096 * 4096
        }
        let start = team.memory(of: worker, bytes: sizes[0] + sizes[1])
        return (start + layouts.input.lead * elementSize, start + sizes[0] + layouts.output.lead * elementSize)
    }
}

// MARK: - Forward

extension DepthwiseTraining {
    func run(
        _ x: UnsafeRawPointer, _ reading: StoredReading, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        into y: UnsafeMutableRawPointer, images batch: Int, findsMoments: Bool, _ team: TrainingTeam
    ) -> ChannelMoments? {
        let packed = team.sharedMemory(for: .packedWeights, bytes: 4 * channels * (1 + convolution.kernel.area))
            .assumingMemoryBound(to: Float.self)
        packed.update(repeating: 0, count: channels)
        if let bias { packed.update(from: bias, count: channels) }
        forward.pack(weights, into: packed + channels, convolution)
        let parts = layouts.parts(of: batch)
        let sums = ChannelSums(channels: channels, parts: findsMoments ? parts.count : 0)
        defer { sums.deallocate() }
        nonisolated(unsafe) let (x, y) = (x, y)
        team.forEach(parts.count) { part, worker in
            let images = parts[part]
            let memory = memory(team, worker)
            place(x, reading, images, at: memory.input)
            let target = y + images.lowerBound * outputSize.area * channels * elementSize
            convolve(
                forward, layouts.input, memory.input, to: tk_image(dense: outputSize, channels: channels), target,
                stride: convolution.stride, bias: packed, weights: packed + channels, images: images.count)
            if findsMoments {
                kernels.find_moments(
                    Int64(images.count * outputSize.area), Int32(channels), target, sums.first(part), sums.second(part))
            }
        }
        return findsMoments ? sums.moments { parts[$0].count * outputSize.area } : nil
    }

    private func place(
        _ x: UnsafeRawPointer, _ reading: StoredReading, _ images: Range<Int>, at target: UnsafeMutableRawPointer
    ) {
        layouts.place(
            x + images.lowerBound * inputSize.area * channels * elementSize, reading, layouts.input, at: target,
            images: images.count, by: kernels)
    }

    private func convolve(
        _ taps: DepthwiseTaps, _ layout: TrainingLayouts.Layout, _ x: UnsafeRawPointer, to output: tk_image,
        _ y: UnsafeMutableRawPointer, stride: Size, bias: UnsafePointer<Float>, weights: UnsafePointer<Float>,
        images: Int
    ) {
        taps.withDescription(layout.image, output, stride) { description in
            description.bias = bias
            description.weights = weights
            kernels.convolve_depthwise(&description, x, y, tk_share(images: Int32(images), part: 0, parts: 1))
        }
    }
}

// MARK: - Backward

extension DepthwiseTraining {
    func runBackward(
        _ dy: StoredGradient, _ x: UnsafeRawPointer, _ reading: StoredReading, weights: UnsafePointer<Float>,
        images batch: Int, weightGradient: UnsafeMutablePointer<Float>?, inputGradient: InputGradient?,
        _ team: TrainingTeam
    ) -> GradientSums? {
        let parts = layouts.parts(of: batch)
        let sums = ChannelSums(channels: channels, parts: inputGradient?.means == nil ? 0 : parts.count)
        defer { sums.deallocate() }
        // Sums of weight gradients that one thread adds up each.
        let lanes = min(parts.count, 8)
        let count = convolution.kernel.area * channels
        let packed = team.sharedMemory(for: .packedWeights, bytes: 4 * (channels + count))
            .assumingMemoryBound(to: Float.self)
        packed.update(repeating: 0, count: channels)
        var place = packed + channels
        let starts = phases.map { phase in
            phase.taps.pack(weights, into: place, convolution)
            defer { place += phase.taps.sources.count * channels }
            return place
        }
        let partials = team.sharedMemory(for: .gradients, bytes: 4 * count * lanes).assumingMemoryBound(to: Float.self)
        nonisolated(unsafe) let (dy, x, inputGradient, bias, packedPhases) = (dy, x, inputGradient, packed, starts)
        nonisolated(unsafe) let unsafePartials = partials
        let wantsWeights = weightGradient != nil
        team.forEach(lanes) { lane, worker in
            let memory = memory(team, worker)
            let own = unsafePartials + lane * count
            if wantsWeights { own.update(repeating: 0, count: count) }
            for part in parts.count * lane / lanes..<parts.count * (lane + 1) / lanes {
                let images = parts[part]
                layouts.place(
                    dy, from: images.lowerBound * outputSize.area * channels * elementSize, at: memory.output,
                    images: images.count, by: kernels)
                if wantsWeights {
                    self.place(x, reading, images, at: memory.input)
                    forward.withDescription(layouts.input.image, layouts.output.image, convolution.stride) {
                        kernels.add_depthwise_gradient(&$0, memory.input, memory.output, own, Int32(images.count))
                    }
                }
                if let inputGradient {
                    findInputGradient(
                        inputGradient, x, reading, images, memory.output, bias: bias, packed: packedPhases, sums: sums,
                        part: part)
                }
            }
        }
        if let weightGradient { addUp(partials, lanes: lanes, into: weightGradient) }
        return inputGradient?.means == nil ? nil : sums.totals()
    }

    private func findInputGradient(
        _ gradient: InputGradient, _ x: UnsafeRawPointer, _ reading: StoredReading, _ images: Range<Int>,
        _ upstream: UnsafeRawPointer, bias: UnsafePointer<Float>, packed: [UnsafeMutablePointer<Float>],
        sums: ChannelSums, part: Int
    ) {
        let start = images.lowerBound * inputSize.area * channels * elementSize
        let target = gradient.target + start
        for (index, phase) in phases.enumerated() {
            var output = tk_image(dense: inputSize, channels: channels)
            (output.height, output.width) = (Int32(phase.size.height), Int32(phase.size.width))
            output.pixel *= Int32(convolution.stride.width)
            output.row *= Int64(convolution.stride.height)
            let offset = (phase.first.row * inputSize.width + phase.first.column) * channels * elementSize
            convolve(
                phase.taps, layouts.output, upstream, to: output, target + offset, stride: .square(1), bias: bias,
                weights: packed[index], images: images.count)
        }
        let pixels = images.count * inputSize.area
        if let addend = gradient.addend {
            let plain = tk_reading(factors: nil, offsets: nil, rectifies: false)
            kernels.add_readings(Int64(pixels), Int32(channels), plain, target, plain, addend + start, target)
        }
        gradient.passReading(
            reading, of: x, at: start, pixels: pixels, channels: channels, sums: sums, part: part, by: kernels)
    }

    /// Tap by tap, and into the parameter's order, channel by channel.
    private func addUp(_ partials: UnsafePointer<Float>, lanes: Int, into target: UnsafeMutablePointer<Float>) {
        let area = convolution.kernel.area
        for tap in 0..<area {
            for channel in 0..<channels {
                var sum = partials[tap * channels + channel]
                for lane in 1..<max(1, lanes) { sum += partials[(lane * area + tap) * channels + channel] }
                target[channel * area + tap] = sum
            }
        }
    }
}

/// Taps of a depthwise convolution, and where each one's weights come from.
private struct DepthwiseTaps {
    /// Elements from a position to what it reads.
    private(set) var offsets: [Int32] = []
    /// Each one's place in the kernel.
    private(set) var sources: [Int] = []

    /// All of them, on an input that lies so.
    init(_ convolution: Convolution, _ input: tk_image) {
        let (dilation, padding) = (convolution.dilation, convolution.padding)
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() {
            append(
                index, row: tap.row * dilation.height - padding.top, column: tap.column * dilation.width - padding.left,
                input)
        }
    }

    /// Those by which the inputs of a phase reach outputs, on a gradient of these that lies so.
    init(mirrored convolution: Convolution, _ phase: Tap, _ gradient: tk_image) {
        let (dilation, stride, padding) = (convolution.dilation, convolution.stride, convolution.padding)
        for (index, tap) in Tap.all(of: convolution.kernel).enumerated() {
            let row = phase.row + padding.top - tap.row * dilation.height
            let column = phase.column + padding.left - tap.column * dilation.width
            guard row % stride.height == 0, column % stride.width == 0 else { continue }
            append(index, row: row / stride.height, column: column / stride.width, gradient)
        }
    }

    private mutating func append(_ source: Int, row: Int, column: Int, _ image: tk_image) {
        offsets.append(Int32(Int64(row) * image.row + Int64(column) * Int64(image.pixel)))
        sources.append(source)
    }

    /// From a parameter, channel by channel, to tap by tap.
    func pack(_ weights: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>, _ convolution: Convolution) {
        let (area, channels) = (convolution.kernel.area, convolution.inputChannels)
        for (row, source) in sources.enumerated() {
            for channel in 0..<channels { packed[row * channels + channel] = weights[channel * area + source] }
        }
    }

    /// A description without weights and bias.
    func withDescription(
        _ input: tk_image, _ output: tk_image, _ stride: Size, _ body: (inout tk_depthwise) -> Void
    ) {
        offsets.withUnsafeBufferPointer { offsets in
            var description = tk_depthwise(
                input: input, output: output, stride_height: Int32(stride.height), stride_width: Int32(stride.width),
                activation: TK_IDENTITY, tap_count: Int32(sources.count), offsets: offsets.baseAddress, weights: nil,
                bias: nil)
            body(&description)
        }
    }
}
