import TapestryCore

/// What are neighbours in memory: the channels of a pixel, or the pixels of a channel.
enum Arrangement {
    case channelsLast
    case planes
}

/// The ways in which a convolution may be computed.
enum ConvolutionKernel: String, CaseIterable {
    /// Vectors of outputs, channels last; outputs whose supports differ share a vector's taps.
    case taps
    /// The same, where outputs are one vector with neighbouring taps of a row together, which share what they read.
    case rows
    /// Matrices of three parts of each float, in halves of floats.
    case split
    /// Vectors of positions in planes, four outputs of one support at a time.
    case planes
    /// Vectors of positions in planes, an output's weights one by one.
    case sparse

    var arrangement: Arrangement { hasWalk ? .channelsLast : .planes }

    /// Whether positions may be walked in several ways.
    var hasWalk: Bool { self == .taps || self == .rows || self == .split }
}

/// A lowered network whose values have an arrangement each, with steps that rearrange them where those who take them
/// want another one.
struct ArrangedNetwork {
    private(set) var values: [Extents]
    private(set) var arrangements: [Arrangement]
    private(set) var steps: [LoweredStep] = []
    /// How each convolution is computed, by its step.
    private(set) var kernels: [Int: ConvolutionKernel] = [:]
    /// What that takes for an image, in multiplications of vectors; where positions are walked, for one of them.
    private(set) var kernelCosts: [Int: Double] = [:]
    let output: Int

    /// Whether convolutions in planes that want zeros between rows may be chosen.
    private let hasPadsInPlanes: Bool
    /// The same value in the other arrangement, where somebody has wanted it.
    private var twins: [Int: Int] = [:]

    /// The instruction set decides which kernels are cheapest. Neither the batch nor threads have a say, so that
    /// results do not depend on them. `wanted` names kernels for layers by the names of their first nodes; where one
    /// cannot be, it is passed over.
    init(
        _ lowering: Lowering, _ instructionSet: InstructionSet,
        wanted: (_ layer: String) -> ConvolutionKernel? = { _ in nil }
    ) {
        self.init(lowering, instructionSet, wanted: wanted, hasPadsInPlanes: true)
        // Zeros between the rows of planes would multiply the copies that sparse kernels make.
        if kernels.values.contains(.sparse), kernels.values.contains(.planes) {
            self = ArrangedNetwork(lowering, instructionSet, wanted: wanted, hasPadsInPlanes: false)
        }
    }

    private init(
        _ lowering: Lowering, _ instructionSet: InstructionSet, wanted: (String) -> ConvolutionKernel?,
        hasPadsInPlanes: Bool
    ) {
        self.hasPadsInPlanes = hasPadsInPlanes
        values = lowering.values
        arrangements = Array(repeating: .channelsLast, count: values.count)
        output = lowering.output
        for var step in lowering.steps {
            let choice = cheapestKernel(for: step, instructionSet, wanted: wanted(step.nodes[0]))
            let arrangement = choice?.kernel.arrangement ?? .channelsLast
            arrangements[step.output] = arrangement
            for place in step.inputs.indices where arrangements[step.inputs[place]] != arrangement {
                let value = step.inputs[place]
                if twins[value] == nil { twins[value] = rearrange(value, to: arrangement, for: step) }
                step.inputs[place] = twins[value]!
            }
            if let choice { (kernels[steps.count], kernelCosts[steps.count]) = choice }
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

    /// Nil for all that is no convolution over channels.
    private func cheapestKernel(
        for step: LoweredStep, _ instructionSet: InstructionSet, wanted: ConvolutionKernel?
    ) -> (kernel: ConvolutionKernel, cost: Double)? {
        guard case .convolution(let layer) = step.kind, !layer.convolution.isDepthwise else { return nil }
        let lanes = instructionSet.lanes
        let (input, output) = (values[step.inputs[0]], values[step.output])
        let perPosition = layer.convolution.costsPerPosition(instructionSet)
        var costs = perPosition.map { kernel, cost in
            let positions = Double(output.height * output.width)
            return switch kernel {
            // Others may leave out taps outside of the image.
            case .rows: (kernel, cost * positions / layer.convolution.shareInside(input, output))
            case .split: (kernel, cost * positions + CostModel.splitting * input.vectors(lanes))
            default: (kernel, cost * positions)
            }
        }
        // Planes are for floats only.
        if instructionSet.precision == .fp32, layer.convolution.keepsSize(input, output), !output.isVector {
            // Its own result has to be rearranged too, if it has no such neighbours; they mostly share.
            let rearranging = Double(output.count) / 2
            if hasPadsInPlanes {
                costs.append((.planes, layer.convolution.costInPlanes(on: output, lanes: lanes) + rearranging))
            }
            costs.append((.sparse, layer.costOfSparse(on: output, lanes: lanes) + rearranging))
        }
        func total(_ kernel: ConvolutionKernel, _ cost: Double) -> Double {
            let strangers = step.inputs.filter { arrangements[$0] != kernel.arrangement && twins[$0] == nil }
            return strangers.reduce(cost) { $0 + Double(values[$1].count) }
        }
        let (kernel, cost) =
            costs.first { $0.0 == wanted && $0.1 < .infinity }
            ?? costs.min { total($0.0, $0.1) < total($1.0, $1.1) }!
        return (kernel, perPosition.first { $0.0 == kernel }?.1 ?? cost)
    }
}

extension ArrangedNetwork {
    /// Multiply-adds of a step's support for one image.
    func macs(of step: LoweredStep) -> Int {
        guard case .convolution(let layer) = step.kind else { return 0 }
        let output = values[step.output]
        return layer.convolution.weightCount * output.height * output.width
    }

    /// Those of a dense kernel in its place.
    func denseMacs(of step: LoweredStep) -> Int {
        guard case .convolution(let layer) = step.kind else { return 0 }
        let output = values[step.output]
        return layer.convolution.denseWeightShape.count * output.height * output.width
    }

    /// A step of a few microseconds takes longer where another processor has to fetch what it reads.
    func isWorthSharing(_ step: LoweredStep, images: Int) -> Bool {
        max(macs(of: step), 4 * values[step.output].count) * images > 400_000
    }
}

// MARK: - Costs of one image, in vector multiplications

extension Convolution {
    /// Of the kernels that walk positions. A multiplication takes a word of elements.
    fileprivate func costsPerPosition(_ instructionSet: InstructionSet) -> [(ConvolutionKernel, Double)] {
        let (lanes, words) = (instructionSet.lanes, instructionSet.matrixWords)
        if instructionSet.precision == .bf16, words > 1 {
            return [(.taps, costPerPosition(byMatricesOf: words, lanes: lanes) / 2)]
        }
        let elements = Double(instructionSet.wordElements)
        var costs = [(ConvolutionKernel.taps, costPerPosition(lanes: lanes) / elements)]
        if stride == .square(1), kernel.width > 1 {
            costs.append((.rows, costPerPosition(lanes: lanes, sharesColumns: true) / elements))
        }
        if words > 1, inputChannels.isMultiple(of: 2) {
            costs.append((.split, costPerPosition(ofPartsByMatricesOf: words, lanes: lanes)))
        }
        return costs
    }

    /// Whether it maps pixels to pixels at the same place.
    func keepsSize(_ input: Extents, _ output: Extents) -> Bool {
        stride == .square(1) && input.height == output.height && input.width == output.width
    }

    /// Also of one support: 16 outputs are a single vector there, for which each value that is loaded serves once.
    /// Infinite where supports' outputs are not by fours.
    fileprivate func costInPlanes(on output: Extents, lanes: Int) -> Double {
        let spans = supportSpans
        guard spans.allSatisfy({ $0.outputs.count % 4 == 0 }) else { return .infinity }
        let vectors = output.planeVectors(gap: kernel.width / 2, lanes: lanes)
        // Measured: planes are as fast as channels, but for vectors that cross cache lines.
        return spans.reduce(0) { $0 + Double($1.taps.count * $1.outputs.count) } * vectors / 0.95
    }
}

extension LayerWeights {
    /// Measured: a term costs 1.5 multiplications of vectors in registers, a copied vector 5.5. Infinite where the kernel
    /// cannot be.
    fileprivate func costOfSparse(on output: Extents, lanes: Int) -> Double {
        let vectors = output.planeVectors(gap: 0, lanes: lanes)
        let channels = convolution.inputChannels
        let copies = SparseGrid(self, pitch: output.width, lanes: lanes).copies.count
        // Whatever the pitch turns out to be with other layers' zeros between rows.
        let reach = (convolution.kernel.height - 1) * convolution.dilation.height
        guard (convolution.kernel.width - 1) * convolution.dilation.width <= ValueLayout.planeMargin / 2,
            PackedSparse.canPlace(
                channels: channels, copies: convolution.kernel.area, pitch: output.width + 2 * reach, rows: reach,
                lanes: lanes)
        else { return .infinity }
        return vectors * (1.5 * Double(nonzeroCount) + 5.5 * Double(copies * channels))
    }
}

extension Extents {
    /// Of a plane whose rows are so many zeros apart.
    fileprivate func planeVectors(gap: Int, lanes: Int) -> Double {
        Double(((height - 1) * (width + gap) + width + lanes - 1) / lanes)
    }
}
