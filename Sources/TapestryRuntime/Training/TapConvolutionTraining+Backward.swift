import CTapestryKernels
import Glibc
import TapestryCore

extension TapConvolutionTraining {
    func runBackward(
        _ dy: StoredGradient, _ x: UnsafeRawPointer, _ reading: StoredReading, weights: UnsafePointer<Float>,
        images batch: Int, weightGradient: UnsafeMutablePointer<Float>?, inputGradient: InputGradient?,
        _ team: TrainingTeam
    ) -> GradientSums? {
        precondition(inputGradient == nil || givesInputGradient)
        let packed = inputGradient == nil ? [] : packMirrored(weights, team)
        let parts = layouts.parts(of: batch)
        let sums = ChannelSums(
            channels: convolution.inputChannels, parts: inputGradient?.means == nil ? 0 : parts.count)
        defer { sums.deallocate() }
        let gradients = weightGradient.map { PartialGradients(self, $0, parts: parts.count, team) }
        let lanes = gradients?.lanes ?? parts.count
        nonisolated(unsafe) let (dy, x, unsafePacked) = (dy, x, packed)
        nonisolated(unsafe) let inputGradient = inputGradient
        team.forEach(lanes) { lane, worker in
            let memory = WorkerMemory(self, team, worker)
            gradients?.clear(lane)
            for part in parts.count * lane / lanes..<parts.count * (lane + 1) / lanes {
                let images = parts[part]
                layouts.place(
                    dy, from: images.lowerBound * outputSize.area * convolution.outputChannels * elementSize,
                    at: memory.output, images: images.count, by: kernels)
                if let gradients {
                    read(x, reading, images, into: memory)
                    pair(layouts.input, at: memory.input, words: memory.inputWords, images: images.count, isInput: true)
                    pair(
                        layouts.output, at: memory.output, words: memory.outputWords, images: images.count,
                        isInput: false)
                    gradients.add(memory, images: images.count, part: part, lane: lane)
                }
                if let inputGradient {
                    findInputGradient(
                        inputGradient, x, reading, images, packed: unsafePacked, sums: sums, part: part, memory)
                }
            }
        }
        gradients?.finish()
        guard inputGradient?.means != nil else { return nil }
        return sums.totals()
    }

    /// The packed weights of each phase, and zeros in place of biases.
    private func packMirrored(_ weights: UnsafePointer<Float>, _ team: TrainingTeam) -> [UnsafeMutablePointer<Float>] {
        let zeros = convolution.inputChannels + 64
        let total = phases.reduce(zeros) { $0 + $1.packing.size }
        var start = team.sharedMemory(for: .packedWeights, bytes: 4 * total).assumingMemoryBound(to: Float.self)
        start.update(repeating: 0, count: zeros)
        var starts = [start]
        start += zeros
        for phase in phases {
            phase.packing.pack(weights, into: start, by: kernels, team)
            starts.append(start)
            start += phase.packing.size
        }
        return starts
    }

    private func findInputGradient(
        _ gradient: InputGradient, _ x: UnsafeRawPointer, _ reading: StoredReading, _ images: Range<Int>,
        packed: [UnsafeMutablePointer<Float>], sums: ChannelSums, part: Int, _ memory: WorkerMemory
    ) {
        let channels = convolution.inputChannels
        let start = images.lowerBound * inputSize.area * channels * elementSize
        let target = gradient.target + start
        let addend = gradient.addend.map { $0 + start }
        let stride = convolution.stride
        for (index, phase) in phases.enumerated() {
            var output = tk_image(dense: inputSize, channels: channels)
            (output.height, output.width) = (Int32(phase.size.height), Int32(phase.size.width))
            output.pixel *= Int32(stride.width)
            output.row *= Int64(stride.height)
            let offset = (phase.first.row * inputSize.width + phase.first.column) * channels * elementSize
            convolve(
                phase.packing, from: layouts.output, at: memory.output, to: output, target + offset,
                residual: addend.map { $0 + offset }, packed: packed[index + 1], bias: packed[0], stride: .square(1),
                images: images.count, memory)
        }
        gradient.passReading(
            reading, of: x, at: start, pixels: images.count * inputSize.area, channels: channels, sums: sums,
            part: part,
            by: kernels)
    }
}

/// The gradient of weights as it comes together from the parts of a batch: small ones in several sums, lanes, each of
/// which one thread adds up; large ones afterwards, each thread some weights over all images.
private final class PartialGradients {
    let lanes: Int
    private let plan: TapConvolutionTraining
    private let target: UnsafeMutablePointer<Float>
    private let count: Int
    private let partials: UnsafeMutablePointer<Float>?
    private let team: TrainingTeam
    private let parts: Int
    /// Where each part's images are kept for afterwards, and how many they are.
    private let inputs, upstream: UnsafeMutableRawPointer?
    private var images: UnsafeMutablePointer<Int>?

    init(_ plan: TapConvolutionTraining, _ target: UnsafeMutablePointer<Float>, parts: Int, _ team: TrainingTeam) {
        (self.plan, self.target, self.team, self.parts) = (plan, target, team, parts)
        count = plan.convolution.denseWeightShape.count
        if count <= 1 << 18 {
            // Enough of them that threads end at nearly the same time, where the sums are small.
            lanes = min(parts, count <= 1 << 16 ? 16 : 8)
            partials = team.sharedMemory(for: .gradients, bytes: 4 * count * lanes)
                .assumingMemoryBound(to: Float.self)
            (inputs, upstream) = (nil, nil)
        } else {
            lanes = parts
            partials = nil
            inputs = team.sharedMemory(for: .inputs, bytes: parts * Self.bytes(plan.layouts.input, plan))
            upstream = team.sharedMemory(for: .upstream, bytes: parts * Self.bytes(plan.layouts.output, plan))
            images = .allocate(capacity: parts)
        }
    }

    deinit { images?.deallocate() }

    private static func bytes(_ layout: TrainingLayouts.Layout, _ plan: TapConvolutionTraining) -> Int {
        (layout.size(images: plan.layouts.capacity) * 4 + 4095) / 4096 * 4096 + 64 * 5
    }

    func clear(_ lane: Int) {
        if let partials { memset(partials + lane * count, 0, 4 * count) }
    }

    /// Takes what a worker has read of a part.
    func add(_ memory: WorkerMemory, images count: Int, part: Int, lane: Int) {
        if let partials {
            let gradient = partials + lane * self.count
            run(
                memory.inputWords, memory.outputWords, gradient, images: count,
                products: 0..<plan.products.products.count)
        } else if let inputs, let upstream {
            images![part] = count
            keep(memory.inputWords, plan.layouts.input, at: inputs, part)
            keep(memory.outputWords, plan.layouts.output, at: upstream, part)
        }
    }

    private func keep(
        _ words: UnsafeMutableRawPointer, _ layout: TrainingLayouts.Layout, at start: UnsafeMutableRawPointer,
        _ part: Int
    ) {
        let target = start + part * Self.bytes(layout, plan)
        memcpy(target, words - layout.lead * 4, layout.size(images: plan.layouts.capacity) * 4)
    }

    private func run(
        _ x: UnsafeRawPointer, _ dy: UnsafeRawPointer, _ gradient: UnsafeMutablePointer<Float>, images: Int,
        products: Range<Int>
    ) {
        let layouts = plan.layouts
        let (input, output) = (layouts.input.image, layouts.output.image)
        let stride = plan.convolution.stride
        let words = plan.instructionSet.wordElements
        let along = Int64(layouts.walksImages ? 1 : words)
        let together = layouts.walksImages ? words : 1
        plan.products.products.withUnsafeBufferPointer { list in
            plan.products.runs.withUnsafeBufferPointer { runs in
                var description = tk_weight_gradient(
                    input_column: Int64(input.pixel) * Int64(stride.width) * along,
                    input_row: input.row * Int64(stride.height), input_image: input.image * Int64(together),
                    output_column: Int64(output.pixel) * along, output_row: output.row,
                    output_image: output.image * Int64(together), walks_images: layouts.walksImages,
                    products: list.baseAddress, runs: runs.baseAddress,
                    output_step: Int64(plan.convolution.channelsPerGroup * plan.convolution.kernel.area))
                plan.kernels.add_weight_gradient(
                    &description, x, dy, gradient, Int32(images), Int32(products.lowerBound),
                    Int32(products.upperBound))
            }
        }
    }

    /// Adds up what was gathered.
    func finish() {
        let count = count
        if let partials {
            nonisolated(unsafe) let (target, partials) = (target, partials)
            let lanes = lanes
            let pieces = max(1, count / 4096)
            team.forEach(pieces) { piece, _ in
                let first = count * piece / pieces
                let (sums, length) = (target + first, count * (piece + 1) / pieces - first)
                sums.update(from: partials + first, count: length)
                for lane in 1..<max(1, lanes) {
                    let own = partials + lane * count + first
                    for index in 0..<length { sums[index] += own[index] }
                }
            }
        } else if let inputs, let upstream, let images {
            memset(target, 0, 4 * count)
            let layouts = plan.layouts
            let total = plan.products.products.count
            let pieces = min(total, 64)
            nonisolated(unsafe) let (inputs, upstream, images) = (inputs, upstream, images)
            team.forEach(pieces) { piece, _ in
                for part in 0..<self.parts {
                    self.run(
                        inputs + part * Self.bytes(layouts.input, self.plan) + layouts.input.lead * 4,
                        upstream + part * Self.bytes(layouts.output, self.plan) + layouts.output.lead * 4, self.target,
                        images: images[part], products: total * piece / pieces..<total * (piece + 1) / pieces)
                }
            }
        }
    }
}
