import CTapestryTorch
import TapestryCore
import TapestryRuntime

/// The convolutions of a network that Tapestry's own kernels compute while it is trained, and what lies between them.
final class NativeLayers {
    private let layers: [String: [NativePrecision: any ConvolutionTraining]]
    /// Of every node's value, for one image.
    private let shapes: [String: Shape]
    private let team: TrainingTeam
    private let instructionSets: [NativePrecision: InstructionSet]

    /// Nil where the engine leaves all of the graph to libtorch.
    init?(_ graph: Graph, _ engine: TrainingEngine, threads: Int) throws {
        guard engine != .torch else { return nil }
        team = TrainingTeam(threads: threads)
        var sets: [NativePrecision: InstructionSet] = [:]
        for precision in NativePrecision.allCases { sets[precision] = try InstructionSet.best(for: precision) }
        instructionSets = sets
        var layers: [String: [NativePrecision: any ConvolutionTraining]] = [:]
        shapes = try graph.valueShapes()
        for node in graph.nodes {
            guard let input = shapes[node.inputs[0]], let output = shapes[node.name],
                let convolution = node.operation.convolution(of: input)
            else { continue }
            var plans: [NativePrecision: any ConvolutionTraining] = [:]
            for (precision, instructionSet) in sets {
                let plan = convolution.training(
                    inputSize: Size(height: input[1], width: input[2]),
                    outputSize: Size(height: output[1], width: output[2]), on: instructionSet)
                // Nobody trains images.
                guard let plan, plan.givesInputGradient || node.inputs[0] == Graph.inputName else { continue }
                if engine.takes(plan) { plans[precision] = plan }
            }
            if plans.count == sets.count { layers[node.name] = plans }
        }
        guard !layers.isEmpty else { return nil }
        self.layers = layers
    }

    func contains(_ node: String) -> Bool { layers[node] != nil }

    /// As libtorch's operators on this thread.
    private var precision: NativePrecision { tapestry_autocast_is_bfloat16(TAPESTRY_CPU) ? .bf16 : .fp32 }

    private var dataType: DataType { precision == .fp32 ? .float32 : .bfloat16 }

    private func arithmetic(_ type: DataType) -> StoredValueArithmetic {
        StoredValueArithmetic(instructionSets[type == .float32 ? .fp32 : .bf16]!, team)
    }
}

// MARK: - Convolutions

extension NativeLayers {
    /// The convolution of a node, or its shift, which is a depthwise one, and, where `passesOn`, its input once more for those that read it after this: their
    /// gradients then come here, and are added while this one's own is at hand.
    func convolve(
        _ node: String, _ x: GraphValue, weight: TorchTensor, bias: TorchTensor?, findsMoments: Bool, passesOn: Bool
    ) throws(TorchError) -> (y: GraphValue, passed: GraphValue?) {
        let plan = layers[node]![precision]!
        x.gradient?.addReader()
        var x = x
        if !x.isPlain, x.raw.dataType != dataType { x = GraphValue(try tensor(x)) }
        if x.isPlain { x = GraphValue(try x.raw.stored(as: dataType)) }
        let batch = x.raw.shape[0]
        let raw = try TorchTensor.empty(
            [batch, plan.convolution.outputChannels, plan.outputSize.height, plan.outputSize.width], as: dataType,
            memoryFormat: .channelsLast)
        var y = GraphValue(raw)
        y.moments = plan.run(
            x.raw.data, x.reading, weights: weight.weights, bias: bias.map { UnsafePointer($0.weights) },
            into: raw.data, images: batch, findsMoments: findsMoments, team)
        var passed: GraphValue?
        if passesOn {
            var alias = GraphValue(try x.raw.detached())
            (alias.norm, alias.rectifies, alias.isPassedOn) = (x.norm, x.rectifies, true)
            passed = alias
        }
        // The sums of a bias's gradient are those of the output's.
        if bias == nil { y.gradient = GradientOnTheWay() }
        let source = x
        let made = (gradient: y.gradient, output: try raw.detached())
        try Torch.record(
            "TapestryConvolution", inputs: x.sources + [weight] + (bias.map { [$0] } ?? []),
            outputs: [raw] + (passed.map { [$0.raw] } ?? [])
        ) { [self] upstream throws(TorchError) in
            try gradients(plan, source, made, weight: weight, hasBias: bias != nil, upstream)
        }
        return (y, passed)
    }

    /// Of the input, of its batch norm's weight and bias, of the weight and of the bias.
    private func gradients(
        _ plan: any ConvolutionTraining, _ x: GraphValue, _ made: (gradient: GradientOnTheWay?, output: TorchTensor),
        weight: TorchTensor, hasBias: Bool, _ upstream: [TorchTensor?]
    ) throws(TorchError) -> [TorchTensor?] {
        let type = x.raw.dataType
        let batch = x.raw.shape[0]
        guard let above = upstream[0] else {
            // Nothing depends on the convolution, but something may on what it passed on.
            let own = try upstream.last!.map { above throws(TorchError) in try gradients(of: x, above) } ?? []
            return own + Array(repeating: nil, count: x.sources.count - own.count + (hasBias ? 2 : 1))
        }
        let dy = try above.stored(as: type)
        let norm = made.gradient?.take()
        let addend = try (upstream.count > 1 ? upstream[1] : nil).map { above throws(TorchError) in
            try above.stored(as: type)
        }
        let needsInput = x.sources.contains { $0.requiresGrad }
        guard !needsInput || plan.givesInputGradient else {
            throw TorchError(
                operation: "TapestryConvolution",
                message: "no gradient of \(plan.convolution.inputChannels) channels in bfloat16; use --engine torch")
        }
        let dx = needsInput ? try TorchTensor.empty(x.raw.shape, as: type, memoryFormat: .channelsLast) : nil
        let dw = weight.requiresGrad ? try weight.emptyLike() : nil
        let sums = withExtendedLifetime((dy, addend, weight, made)) {
            plan.runBackward(
                norm.map { StoredGradient(dy.data, through: $0, of: made.output.data) } ?? StoredGradient(dy.data),
                x.raw.data, x.reading, weights: weight.weights, images: batch, weightGradient: dw?.weights,
                inputGradient: dx.map {
                    .init(
                        $0.data, adding: addend?.data, means: x.isPassedOn ? nil : x.norm?.means,
                        isOfReading: x.isPassedOn)
                }, team)
        }
        var found: [TorchTensor?] = [dx]
        if let norm = x.norm, !x.isPassedOn {
            if let dx, let sums {
                found = try finish(dx, overwrites: true, norm, sums, of: x)
            } else {
                found += [nil, nil]
            }
        }
        found.append(dw)
        if hasBias {
            let channels = plan.convolution.outputChannels
            let totals = withExtendedLifetime(dy) {
                arithmetic(type).gradient(
                    of: StoredReading(), dy.data, means: Array(repeating: 0, count: channels), upstream: dy.data,
                    into: nil, pixels: dy.shape.count / channels, channels: channels)
            }
            found.append(try .vector(totals!.sums.map { Float($0) }))
        }
        return found
    }

    /// Takes the gradient of what a batch norm gave through it, in its own memory if `overwrites`, or leaves that to the
    /// maker of the norm's input. Returns the input's, and those of the norm's weight and bias.
    private func finish(
        _ upstream: TorchTensor, overwrites: Bool, _ norm: DeferredNorm, _ sums: GradientSums, of value: GraphValue
    ) throws(TorchError) -> [TorchTensor?] {
        let x = value.raw
        let channels = x.shape[1]
        let pixels = x.shape.count / channels
        let found = norm.gradients(sums, count: pixels)
        let others = [try TorchTensor.vector(found.weight), try .vector(found.bias)]
        if value.gradient?.leave(found.input) == true { return [upstream] + others }
        var target = upstream
        if !overwrites { target = try .empty(x.shape, as: x.dataType, memoryFormat: .channelsLast) }
        withExtendedLifetime((upstream, target)) {
            arithmetic(x.dataType).normalize(
                upstream.data, x.data, by: found.input, into: target.data, pixels: pixels, channels: channels)
        }
        return [target] + others
    }

    /// Of what a value is read from, for a gradient of what was read.
    private func gradients(of value: GraphValue, _ above: TorchTensor) throws(TorchError) -> [TorchTensor?] {
        let x = value.raw
        let upstream = try above.stored(as: x.dataType)
        if value.isPassedOn || value.isPlain { return [upstream] }
        guard value.sources.contains(where: \.requiresGrad) else { return value.sources.map { _ in nil } }
        let channels = x.shape[1]
        let pixels = x.shape.count / channels
        var target: TorchTensor?
        if value.rectifies { target = try .empty(x.shape, as: x.dataType, memoryFormat: .channelsLast) }
        let sums = withExtendedLifetime(upstream) {
            arithmetic(x.dataType).gradient(
                of: value.reading, x.data, means: value.norm?.means, upstream: upstream.data,
                into: target?.data, pixels: pixels, channels: channels)
        }
        guard let norm = value.norm, let sums else { return [target] }
        return try finish(target ?? upstream, overwrites: value.rectifies, norm, sums, of: value)
    }
}

// MARK: - Between convolutions

extension NativeLayers {
    /// Whether a value can be read as kernels read it.
    func canRead(_ value: GraphValue) -> Bool {
        let type = value.raw.dataType
        return value.raw.shape.rank == 4 && (type == .float32 || type == .bfloat16) && value.raw.device == .cpu
    }

    /// The sum of two values, or one value as it is meant, stored.
    func add(_ a: GraphValue, _ b: GraphValue?) throws(TorchError) -> GraphValue {
        let type = a.raw.dataType
        a.gradient?.addReader()
        b?.gradient?.addReader()
        var a = a
        if a.isPlain { a = GraphValue(try a.raw.stored(as: type)) }
        var b = b
        if let other = b, other.isPlain { b = GraphValue(try other.raw.stored(as: type)) }
        let channels = a.raw.shape[1]
        let sum = try TorchTensor.empty(a.raw.shape, as: type, memoryFormat: .channelsLast)
        arithmetic(type).add(
            a.raw.data, a.reading, b?.raw.data, b?.reading ?? StoredReading(), into: sum.data,
            pixels: a.raw.shape.count / channels, channels: channels)
        let (first, second) = (a, b)
        try Torch.record(
            "TapestrySum", inputs: a.sources + (b?.sources ?? []), outputs: [sum]
        ) { [self] upstream throws(TorchError) in
            guard let above = upstream[0] else {
                return Array(repeating: nil, count: first.sources.count + (second?.sources.count ?? 0))
            }
            var found = try gradients(of: first, above)
            if let second { found += try gradients(of: second, above) }
            return found
        }
        return GraphValue(sum)
    }

    /// The largest values of windows over a value, or the means, which is not stored as it is read for that.
    func pool(
        _ node: String, _ x: GraphValue, _ pooling: Pooling, takesMean: Bool
    ) throws(TorchError) -> GraphValue {
        let type = x.raw.dataType
        x.gradient?.addReader()
        var x = x
        if x.isPlain { x = GraphValue(try x.raw.stored(as: type)) }
        let (shape, output) = (x.raw.shape, shapes[node]!)
        let outputSize = Size(height: output[1], width: output[2])
        let pool = WindowPool(
            pooling, takesMean: takesMean, inputSize: Size(height: shape[2], width: shape[3]), outputSize: outputSize,
            channels: shape[1])
        let y = try TorchTensor.empty(
            [shape[0], shape[1], outputSize.height, outputSize.width], as: type, memoryFormat: .channelsLast)
        arithmetic(type).pool(x.raw.data, x.reading, by: pool, into: y.data, images: shape[0])
        let source = x
        try Torch.record("TapestryPool", inputs: x.sources, outputs: [y]) { [self] upstream throws(TorchError) in
            guard let above = upstream[0], source.sources.contains(where: \.requiresGrad) else {
                return source.sources.map { _ in nil }
            }
            let dy = try above.stored(as: type)
            let dx = try TorchTensor.empty(shape, as: type, memoryFormat: .channelsLast)
            let norm = source.isPassedOn ? nil : source.norm
            let sums = withExtendedLifetime(dy) {
                arithmetic(type).gradient(
                    of: pool, source.raw.data, source.reading, upstream: dy.data,
                    into: InputGradient(dx.data, means: norm?.means, isOfReading: source.isPassedOn), images: shape[0])
            }
            guard let norm, let sums else { return [dx] }
            return try finish(dx, overwrites: true, norm, sums, of: source)
        }
        return GraphValue(y)
    }

    /// The value as a tensor, channels last.
    func tensor(_ value: GraphValue) throws(TorchError) -> TorchTensor {
        guard value.isPlain else { return try add(value, nil).raw }
        value.gradient?.addReader()
        return try value.raw.stored(as: value.raw.dataType)
    }

    /// The moments of what a value is stored as.
    func moments(of value: GraphValue) throws(TorchError) -> ChannelMoments {
        if let moments = value.moments { return moments }
        let (raw, channels) = (value.raw, value.raw.shape[1])
        return arithmetic(raw.dataType).moments(raw.data, pixels: raw.shape.count / channels, channels: channels)
    }
}

extension Operation {
    /// What a convolution, or a shift, is for kernels; nil for other operations.
    fileprivate func convolution(of input: Shape) -> Convolution? {
        switch self {
        case .convolution(let convolution): return convolution
        case .shift(let shift):
            let reach = shift.dilation * (shift.kernel / 2)
            return Convolution(
                inputChannels: input[0], outputChannels: input[0], kernel: .square(shift.kernel), padding: .all(reach),
                dilation: .square(shift.dilation), groups: input[0])
        default: return nil
        }
    }
}

extension TorchTensor {
    /// O x H x W x I in memory.
    fileprivate var weights: UnsafeMutablePointer<Float> { data.assumingMemoryBound(to: Float.self) }

    /// A new tensor of the same shape, type and layout.
    fileprivate func emptyLike() throws(TorchError) -> TorchTensor { try Aten.emptyLike(.tensor(self)) }
}
