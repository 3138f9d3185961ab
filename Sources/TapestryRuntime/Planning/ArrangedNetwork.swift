import TapestryCore

/// What are neighbours in memory: the channels of a pixel, or the pixels of a channel.
enum Arrangement {
    case channelsLast
    case planes
}

/// A lowered network whose values have an arrangement each, with steps that rearrange them where those who take them
/// want another one.
struct ArrangedNetwork {
    private(set) var values: [Extents]
    private(set) var arrangements: [Arrangement]
    private(set) var steps: [LoweredStep] = []
    let output: Int

    /// Vectors of `lanes` floats decide which convolutions are cheaper in planes.
    init(_ lowering: Lowering, lanes: Int) {
        values = lowering.values
        arrangements = Array(repeating: .channelsLast, count: values.count)
        output = lowering.output
        /// The same value in the other arrangement, where somebody has wanted it.
        var twins: [Int: Int] = [:]
        for var step in lowering.steps {
            let arrangement: Arrangement = step.isCheaperInPlanes(values, lanes: lanes) ? .planes : .channelsLast
            arrangements[step.output] = arrangement
            for place in step.inputs.indices where arrangements[step.inputs[place]] != arrangement {
                let value = step.inputs[place]
                if twins[value] == nil { twins[value] = rearrange(value, to: arrangement, for: step) }
                step.inputs[place] = twins[value]!
            }
            steps.append(step)
        }
        // The output is a vector, which no convolution in planes makes.
        precondition(arrangements[output] == .channelsLast)
    }

    private mutating func rearrange(_ value: Int, to arrangement: Arrangement, for step: LoweredStep) -> Int {
        values.append(values[value])
        arrangements.append(arrangement)
        steps.append(
            LoweredStep(kind: .rearrange, inputs: [value], output: values.count - 1, nodes: [step.nodes[0]]))
        return values.count - 1
    }
}

extension LoweredStep {
    /// Whether its outputs' supports differ so often that vectors of outputs would compute many zeros.
    fileprivate func isCheaperInPlanes(_ values: [Extents], lanes: Int) -> Bool {
        guard case .convolution(let layer) = kind, !layer.convolution.isDepthwise,
            layer.convolution.stride == .square(1)
        else { return false }
        let (input, output) = (values[inputs[0]], values[self.output])
        guard input.height == output.height, input.width == output.width, !output.isVector else { return false }
        let spans = layer.convolution.supportSpans
        guard spans.count > 1, spans.allSatisfy({ $0.outputs.count % 4 == 0 }) else { return false }
        let positions = (output.height - 1) * (output.width + layer.convolution.kernel.width / 2) + output.width
        let vectors = Double((positions + lanes - 1) / lanes)
        // Measured: planes are as fast as channels, but for vectors that cross cache lines. The last term is for
        // rearranging both values, which neighbours mostly share.
        let inPlanes =
            spans.reduce(0) { $0 + Double($1.taps.count * $1.outputs.count) } * vectors / 0.95
            + Double(input.count + output.count)
        return inPlanes < layer.convolution.costPerPosition(lanes: lanes) * Double(output.height * output.width)
    }
}
