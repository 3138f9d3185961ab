import TapestryCore
import TapestryRuntime
import TapestryTestSupport
import Testing

/// A random convolution with all that one step of training needs, and what should come of it, by plain sums in double
/// precision.
struct TrainedLayer {
    let convolution: Convolution
    let input: Size
    let output: Size
    let images: Int
    /// N x H x W x C, and O x H x W x I with zeros off the support.
    let x, weights, bias, upstream, addend: [Float]
    let reading: StoredReading
    let means: [Float]
    /// Of a batch norm behind the convolution, by output channel: the upstream gradient's factors, those of `stored`, the
    /// output as it was stored, and offsets.
    let norm: (factors: [Float], slopes: [Float], offsets: [Float])?
    let stored: [Float]

    init(_ stream: inout RandomStream) {
        var convolution: Convolution
        var input: Size
        repeat {
            let groups = stream.chance(0.2) ? stream.integer(in: 2...3) : 1
            let least = groups == 1 ? 1 : 4
            convolution = Convolution(
                inputChannels: groups * stream.integer(in: least...(groups == 1 ? 40 : 9)),
                outputChannels: groups * stream.integer(in: 1...(stream.chance(0.3) ? 70 : 12)),
                kernel: Size(height: stream.integer(in: 1...4), width: stream.integer(in: 1...4)),
                stride: Size(height: stream.integer(in: 1...3), width: stream.integer(in: 1...3)),
                padding: Padding(
                    top: stream.integer(in: -1...2), left: stream.integer(in: -1...2),
                    bottom: stream.integer(in: -1...2), right: stream.integer(in: -1...2)),
                dilation: Size(height: stream.integer(in: 1...2), width: stream.integer(in: 1...2)), groups: groups,
                hasBias: stream.chance(0.5))
            if stream.chance(0.5) {
                // As networks mostly are: the size is kept.
                convolution.kernel = .square(2 * stream.integer(in: 0...2) + 1)
                convolution.stride = .square(1)
                convolution.dilation = .square(1)
                convolution.padding = .all(convolution.kernel.height / 2)
            }
            if stream.chance(0.2) {
                // Each channel by itself.
                convolution.inputChannels = 16 * stream.integer(in: 1...3)
                convolution.outputChannels = convolution.inputChannels
                convolution.groups = convolution.inputChannels
            }
            convolution.support = stream.chance(0.3) ? .dense : stream.support(of: convolution)
            if case .mask = convolution.support { convolution.support = .dense }
            input = Size(height: stream.integer(in: 1...13), width: stream.integer(in: 1...13))
        } while Self.outputSize(of: convolution, input) == nil
        self.convolution = convolution
        self.input = input
        output = Self.outputSize(of: convolution, input)!
        images = stream.integer(in: 1...(stream.chance(0.2) ? 70 : 9))
        // Such as bfloat16 has too.
        func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in Float(stream.uniform(in: -1...1)).rounded8 } }
        let channels = convolution.inputChannels
        x = numbers(images * input.area * channels)
        addend = numbers(x.count)
        bias = numbers(convolution.outputChannels)
        upstream = numbers(images * output.area * convolution.outputChannels)
        var weights = Array(repeating: Float(0), count: convolution.denseWeightShape.count)
        let (area, perGroup) = (convolution.kernel.area, convolution.channelsPerGroup)
        convolution.forEachWeight { _, _, position in
            let (output, rest) = position.quotientAndRemainder(dividingBy: perGroup * area)
            weights[output * perGroup * area + rest % area * perGroup + rest / area] =
                Float(stream.uniform(in: -1...1)).rounded8
        }
        self.weights = weights
        means = numbers(channels)
        let outputs = convolution.outputChannels
        norm = stream.chance(0.5) ? (numbers(outputs), numbers(outputs), numbers(outputs)) : nil
        stored = numbers(upstream.count)
        reading = StoredReading(
            scale: stream.chance(0.5) ? (numbers(channels), numbers(channels)) : nil, rectifies: stream.chance(0.5))
    }

    private static func outputSize(of convolution: Convolution, _ input: Size) -> Size? {
        let graph = try? Graph.build(input: [convolution.inputChannels, input.height, input.width]) {
            $0.applying(.convolution(convolution), named: "layer")
        }
        guard let shape = try? graph?.outputShapes().last else { return nil }
        return Size(height: shape[1], width: shape[2])
    }
}

// MARK: - Plain sums

extension TrainedLayer {
    /// What is read where a value is stored, and whether gradients pass.
    private func read(_ index: Int) -> Double {
        let channel = index % convolution.inputChannels
        var value = Double(x[index])
        if let scale = reading.scale { value = value * Double(scale.factors[channel]) + Double(scale.offsets[channel]) }
        return reading.rectifies ? max(0, value) : value
    }

    /// The gradient of an output, as kernels of this precision have it after the batch norm.
    private func gradient(_ index: Int, _ precision: NativePrecision) -> Double {
        guard let norm else { return Double(upstream[index]) }
        let channel = index % convolution.outputChannels
        let scaled = Double(norm.factors[channel]) * Double(upstream[index])
        let sum = scaled + Double(norm.slopes[channel]) * Double(stored[index]) + Double(norm.offsets[channel])
        guard precision == .bf16 else { return sum }
        let bits = Float(sum).bitPattern
        return Double(Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
    }

    /// Calls `body` for every product of a weight and an input, by their indices and the output's.
    private func forEachProduct(_ body: (_ output: Int, _ weight: Int, _ input: Int) -> Void) {
        let (c, k) = (convolution, convolution.kernel)
        let perGroup = c.channelsPerGroup
        let outputsPerGroup = c.outputChannels / c.groups
        for n in 0..<images {
            for i in 0..<output.height {
                for j in 0..<output.width {
                    for row in 0..<k.height {
                        let r = i * c.stride.height + row * c.dilation.height - c.padding.top
                        guard (0..<input.height).contains(r) else { continue }
                        for column in 0..<k.width {
                            let s = j * c.stride.width + column * c.dilation.width - c.padding.left
                            guard (0..<input.width).contains(s) else { continue }
                            for o in 0..<c.outputChannels {
                                for channel in 0..<perGroup {
                                    body(
                                        ((n * output.height + i) * output.width + j) * c.outputChannels + o,
                                        ((o * k.height + row) * k.width + column) * perGroup + channel,
                                        ((n * input.height + r) * input.width + s) * c.inputChannels
                                            + o / outputsPerGroup * perGroup + channel)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Runs the kernels and compares.
    func check(on instructionSet: InstructionSet) {
        guard
            let plan = convolution.training(inputSize: input, outputSize: output, on: instructionSet)
        else { return }
        var y = (0..<upstream.count).map { convolution.hasBias ? Double(bias[$0 % convolution.outputChannels]) : 0 }
        var dx = addend.map { Double($0) }
        var dw = Array(repeating: 0.0, count: weights.count)
        let values = x.indices.map(read)
        let gradients = upstream.indices.map { gradient($0, instructionSet.precision) }
        var isOnSupport = Array(repeating: false, count: weights.count)
        let (area, perGroup) = (convolution.kernel.area, convolution.channelsPerGroup)
        convolution.forEachWeight { _, _, position in
            let (output, rest) = position.quotientAndRemainder(dividingBy: perGroup * area)
            isOnSupport[output * perGroup * area + rest % area * perGroup + rest / area] = true
        }
        forEachProduct { output, weight, input in
            y[output] += Double(weights[weight]) * values[input]
            dx[input] += Double(weights[weight]) * gradients[output]
            if isOnSupport[weight] { dw[weight] += values[input] * gradients[output] }
        }
        let channels = convolution.inputChannels
        var sums = (Array(repeating: 0.0, count: channels), Array(repeating: 0.0, count: channels))
        for index in dx.indices {
            let scale = reading.scale
            let value =
                Float(x[index]) * (scale?.factors[index % channels] ?? 1) + (scale?.offsets[index % channels] ?? 0)
            if reading.rectifies, value <= 0 { dx[index] = 0 }
            sums.0[index % channels] += dx[index]
            sums.1[index % channels] += dx[index] * (Double(x[index]) - Double(means[index % channels]))
        }
        let alone = run(plan, TrainingTeam(threads: 1))
        for threads in [1, 3] {
            let found = run(plan, TrainingTeam(threads: threads))
            #expect(found.isSame(as: alone), "to the bit: \(threads) threads, \(convolution)")
            let about =
                "\(instructionSet.name) \(instructionSet.precision), \(threads) threads, \(convolution), \(input), \(images) images"
            // In bf16 what is read and what is stored are rounded; sums of what is not rounded before are exact floats.
            let isRounded = instructionSet.precision == .bf16
            let stored = isRounded ? 1.0 / 256 : 1e-5
            let read = isRounded && !reading.isPlain ? 2.0 / 256 : 1e-5
            expectClose(found.y, y, within: stored + read, "value: \(about)")
            expectClose(found.dw, dw, within: read, "gradient of the weights: \(about)")
            // A value that rounding moves over zero has a gradient where it should have none.
            guard !isRounded || !reading.rectifies && plan.givesInputGradient else { continue }
            // Of one channel each, what is added goes to what has been stored.
            expectClose(found.dx, dx, within: isRounded ? 2 * stored : stored, "gradient of the input: \(about)")
            guard !isRounded else { continue }
            expectClose(found.sums.sums.map { Float($0) }, sums.0, within: 1e-5, "sums: \(about)")
            expectClose(found.sums.products.map { Float($0) }, sums.1, within: 1e-5, "products: \(about)")
            expectMoments(found.moments!, of: y, about)
        }
    }

    private func expectClose(_ found: [Float], _ expected: [Double], within tolerance: Double, _ comment: String) {
        let largest = expected.map(abs).max() ?? 0
        let worst = zip(found, expected).map { abs(Double($0) - $1) }.max() ?? 0
        let isClose = worst <= tolerance * largest + tolerance && !found.contains { $0.isNaN }
        #expect(isClose, "\(worst) off of \(largest): \(comment)")
    }

    private func expectMoments(_ moments: ChannelMoments, of y: [Double], _ comment: String) {
        let channels = convolution.outputChannels
        for channel in 0..<channels {
            let values = stride(from: channel, to: y.count, by: channels).map { y[$0] }
            let mean = values.reduce(0, +) / Double(values.count)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
            let scale = values.map(abs).max() ?? 0
            #expect(abs(moments.means[channel] - mean) <= 1e-5 * scale + 1e-6, "mean: \(comment)")
            #expect(abs(moments.variances[channel] - variance) <= 1e-5 * scale * scale + 1e-6, "variance: \(comment)")
        }
    }
}

// MARK: - Kernels

extension TrainedLayer {
    private struct Found {
        var y, dx, dw: [Float]
        var moments: ChannelMoments?
        var sums: GradientSums

        func isSame(as other: Found) -> Bool {
            [(y, other.y), (dx, other.dx), (dw, other.dw)].allSatisfy { $0.map(\.bitPattern) == $1.map(\.bitPattern) }
                && sums == other.sums
                && moments?.means == other.moments?.means && moments?.variances == other.moments?.variances
        }
    }

    private func withStored<Result>(
        _ upstream: [UInt8], _ stored: [UInt8], _ addend: [UInt8],
        _ body: (StoredGradient, UnsafeRawPointer) -> Result
    ) -> Result {
        upstream.withUnsafeBytes { upstream in
            stored.withUnsafeBytes { stored in
                addend.withUnsafeBytes { addend in
                    let gradient = norm.map {
                        StoredGradient(
                            upstream.baseAddress!,
                            through: NormGradient(factors: $0.factors, slopes: $0.slopes, offsets: $0.offsets),
                            of: stored.baseAddress!)
                    }
                    return body(gradient ?? StoredGradient(upstream.baseAddress!), addend.baseAddress!)
                }
            }
        }
    }

    private func run(_ plan: any ConvolutionTraining, _ team: TrainingTeam) -> Found {
        let isFloat = plan.instructionSet.precision == .fp32
        func bytes(_ values: [Float]) -> [UInt8] {
            isFloat
                ? values.withUnsafeBytes { Array($0) }
                : values.map { UInt16($0.bitPattern >> 16) }.withUnsafeBytes { Array($0) }
        }
        func values(_ bytes: [UInt8]) -> [Float] {
            bytes.withUnsafeBytes { bytes in
                isFloat
                    ? Array(bytes.bindMemory(to: Float.self))
                    : bytes.bindMemory(to: UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
            }
        }
        var (y, dx) = (bytes(upstream.map { _ in .nan }), bytes(x.map { _ in .nan }))
        var dw = weights.map { _ in Float.nan }
        let (x, addend, upstream, stored) = (bytes(x), bytes(addend), bytes(upstream), bytes(stored))
        let moments = bias.withUnsafeBufferPointer { bias in
            plan.run(
                x, reading, weights: weights, bias: convolution.hasBias ? bias.baseAddress : nil, into: &y,
                images: images, findsMoments: true, team)
        }
        let sums = withStored(upstream, stored, addend) { upstream, addend in
            dx.withUnsafeMutableBytes { dx in
                plan.runBackward(
                    upstream, x, reading, weights: weights, images: images, weightGradient: &dw,
                    inputGradient: plan.givesInputGradient
                        ? .init(dx.baseAddress!, adding: addend, means: means) : nil, team) ?? ([], [])
            }
        }
        return Found(y: values(y), dx: values(dx), dw: dw, moments: moments, sums: sums)
    }
}

extension Float {
    /// With 8 significant bits.
    fileprivate var rounded8: Float { Float(bitPattern: bitPattern & 0xFFFF_0000) }
}
