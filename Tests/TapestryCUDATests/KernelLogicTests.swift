import CTapestryCUDA
import TapestryCUDA
import TapestryCore
import TapestryTestSupport
import Testing

/// The kernels' own text, run over all blocks and threads on the host.
@Suite("Logic of the CUDA kernels") struct KernelLogicTests {
    /// A convolution with small whole numbers for values, so that every arithmetic here is exact, and what it and its
    /// gradients are by the interpreter and plain loops.
    private struct Case {
        let convolution: Convolution
        let images: Int
        let inputSize: Size
        let outputSize: Size
        let x: Tensor<Double>
        let stored: [Tensor<Float>]
        let y: Tensor<Double>
        let upstream: Tensor<Double>

        init?(_ stream: inout RandomStream, vector: Int) {
            var convolution = stream.convolution()
            convolution.hasBias = false
            let groups = convolution.groups
            convolution.inputChannels = groups * vector * stream.integer(in: 1...4)
            convolution.outputChannels = groups * vector * stream.integer(in: 1...6)
            convolution.support = stream.support(of: convolution)
            let (inputSize, images) = (
                Size(height: stream.integer(in: 1...7), width: stream.integer(in: 1...7)), stream.integer(in: 1...3)
            )
            let input = Shape([convolution.inputChannels, inputSize.height, inputSize.width])
            let graph = try? Graph.build(input: input) { $0.applying(.convolution(convolution), named: "c") }
            guard let graph, let shape = try? graph.outputShapes()[0] else { return nil }
            self.convolution = convolution
            (self.images, self.inputSize) = (images, inputSize)
            outputSize = Size(height: shape[1], width: shape[2])
            x = stream.smallNumbers([images, input[0], input[1], input[2]])
            let stored = convolution.storedWeights.map { stream.smallNumbers($0.shape).map { Float($0) } }
            self.stored = stored
            var tensors: [String: Tensor<Float>] = [:]
            for (piece, tensor) in zip(convolution.storedWeights, stored) { tensors["c.\(piece.suffix)"] = tensor }
            let interpreter = try? ReferenceInterpreter(graph, weights: Weights(tensors: tensors))
            guard let y = try? interpreter?(x) else { return nil }
            self.y = y
            upstream = stream.smallNumbers(y.shape)
        }

        /// Calls `body(o, c, tap, x's index, y's index)` for every product; c is within the group.
        func forEachProduct(_ body: (Int, Int, Tap, Int, Int) -> Void) {
            let perGroup = convolution.channelsPerGroup
            for image in 0..<images {
                for output in 0..<convolution.outputChannels {
                    let group = output / (convolution.outputChannels / convolution.groups)
                    for row in 0..<outputSize.height {
                        for column in 0..<outputSize.width {
                            let to =
                                ((image * convolution.outputChannels + output) * outputSize.height + row)
                                * outputSize.width + column
                            for tap in Tap.all(of: convolution.kernel) {
                                let y =
                                    row * convolution.stride.height - convolution.padding.top
                                    + tap.row * convolution.dilation.height
                                let x =
                                    column * convolution.stride.width - convolution.padding.left
                                    + tap.column * convolution.dilation.width
                                guard 0..<inputSize.height ~= y, 0..<inputSize.width ~= x else { continue }
                                for c in 0..<perGroup {
                                    let from =
                                        ((image * convolution.inputChannels + group * perGroup + c) * inputSize.height
                                            + y) * inputSize.width + x
                                    body(output, c, tap, from, to)
                                }
                            }
                        }
                    }
                }
            }
        }

        /// The weights as kernels have them: O x taps x I/groups, or one tap where channels are moved.
        var rows: [Double] {
            let moves = !movedTaps.isEmpty
            let taps = moves ? 1 : convolution.kernel.area
            var rows = [Double](repeating: 0, count: convolution.outputChannels * taps * convolution.channelsPerGroup)
            let dense = convolution.denseWeights(from: stored)
            convolution.forEachWeight { _, _, position in
                let (o, c, tap) = place(position)
                rows[(o * taps + (moves ? 0 : tap)) * convolution.channelsPerGroup + c] = Double(
                    dense.elements[position])
            }
            return rows
        }

        var movedTaps: [Tap] {
            if case .channelTaps(let taps) = convolution.support { taps } else { [] }
        }

        /// The same with inputs and outputs exchanged: I x taps x O/groups.
        var exchangedRows: [Double] {
            let (inputs, outputs) = (convolution.channelsPerGroup, convolution.outputChannels / convolution.groups)
            let taps = movedTaps.isEmpty ? convolution.kernel.area : 1
            let rows = rows
            return (0..<convolution.inputChannels).flatMap { input in
                (0..<taps).flatMap { tap in
                    (0..<outputs).map { output in
                        rows[((input / inputs * outputs + output) * taps + tap) * inputs + input % inputs]
                    }
                }
            }
        }

        func place(_ position: Int) -> (output: Int, channel: Int, tap: Int) {
            let area = convolution.kernel.area
            let channels = convolution.channelsPerGroup
            return (position / area / channels, position / area % channels, position % area)
        }
    }

    @Test(arguments: KernelVariant.all) func theyAreTheInterpretersConvolutionAndItsGradients(variant: KernelVariant) {
        RandomRounds.run(30) { stream in
            var drawn: Case?
            // Draws that leave nothing of the image are dropped.
            while drawn == nil { drawn = Case(&stream, vector: variant.arithmetic.vector) }
            guard let sample = drawn else { return }
            let plan = ConvolutionPlan(
                sample.convolution, images: sample.images, inputSize: sample.inputSize,
                outputSize: sample.outputSize, variant: variant,
                splits: .init(
                    forward: stream.integer(in: 1...3), inputGradient: stream.integer(in: 1...3),
                    weightGradient: stream.integer(in: 1...3)))
            let emulated = EmulatedConvolution(plan: plan, schedule: stream.chance(0.5) ? TCU_EARLY : TCU_LATE)
            let x = sample.x.channelsLast
            let about = "\(variant) \(sample.convolution)"
            expectClose(
                Tensor(shape: [sample.y.shape.count], elements: emulated.forward(x, sample.rows)),
                Tensor(shape: [sample.y.shape.count], elements: sample.y.channelsLast), within: .rounding, about)

            var inputGradient = Tensor<Double>(shape: sample.x.shape, repeating: 0)
            var weightGradient = Tensor<Double>(shape: sample.convolution.denseWeightShape, repeating: 0)
            let dense = sample.convolution.denseWeights(from: sample.stored)
            sample.forEachProduct { output, channel, tap, from, to in
                let position = sample.convolution.densePosition(output, channel, tap)
                inputGradient.elements[from] += Double(dense.elements[position]) * sample.upstream.elements[to]
                weightGradient.elements[position] += sample.x.elements[from] * sample.upstream.elements[to]
            }
            let upstream = sample.upstream.channelsLast
            expectClose(
                Tensor(
                    shape: [x.count], elements: emulated.inputGradient(upstream, sample.exchangedRows)),
                Tensor(shape: [x.count], elements: inputGradient.channelsLast), within: .rounding, about)

            let gradient = emulated.weightGradient(x, upstream)
            let taps = plan.movesChannels ? 1 : sample.convolution.kernel.area
            var onSupport: [(Double, Double)] = []
            sample.convolution.forEachWeight { _, _, position in
                let (o, c, tap) = sample.place(position)
                let place = (o * taps + (plan.movesChannels ? 0 : tap)) * sample.convolution.channelsPerGroup + c
                onSupport.append((gradient[place], weightGradient.elements[position]))
            }
            expectClose(
                Tensor(shape: [onSupport.count], elements: onSupport.map(\.0)),
                Tensor(shape: [onSupport.count], elements: onSupport.map(\.1)), within: .rounding, about)
        }
    }
}

extension RandomStream {
    /// Numbers whose sums of products are exact in every arithmetic, as long as they are few.
    fileprivate mutating func smallNumbers(_ shape: Shape) -> Tensor<Double> {
        Tensor(shape: shape, elements: (0..<shape.count).map { _ in Double(integer(in: -1...1)) })
    }
}

extension Tensor where Scalar == Double {
    /// The elements of N x C x H x W in the order N, H, W, C.
    var channelsLast: [Double] {
        let (count, channels, area) = (shape[0], shape[1], shape[2] * shape[3])
        return (0..<count).flatMap { image in
            (0..<area).flatMap { pixel in (0..<channels).map { elements[(image * channels + $0) * area + pixel] } }
        }
    }
}
