import CTapestryKernels
import TapestryCore

/// Turns a placed network into steps: packed weights and kernels' arguments.
struct PlanBuilder {
    private let placed: PlacedNetwork
    private let sharesSteps: Bool
    private let threads: Int
    /// Bytes that a thread needs beside the values for what its kernels work with.
    private(set) var room = 1

    init(_ placed: PlacedNetwork, sharesSteps: Bool, threads: Int) {
        self.placed = placed
        self.sharesSteps = sharesSteps
        self.threads = threads
    }

    private var network: ArrangedNetwork { placed.network }
    private var instructionSet: InstructionSet { placed.instructionSet }
    private var layouts: [ValueLayout] { placed.layouts }

    // MARK: - Steps

    /// What a kernel takes, with places in the constants to be.
    private enum Draft {
        case convolve(PackedConvolution, Convolution, Walk, sharesColumns: Bool)
        case convolveSplit(PackedConvolution, Convolution, Walk, parts: Int)
        case convolvePlanes(PackedConvolution, Convolution)
        case convolveSparse(PackedSparse)
        case convolveDepthwise(PackedDepthwise, Convolution)
        case scale(factors: Int, offsets: Int)
        case move(Int)
        case ready(PlannedStep.Kernel)
    }

    mutating func plannedSteps() -> ([PlannedStep], PlanStorage) {
        var collection = PlanStorage.Collection()
        let drafts = network.steps.indices.map { draft(of: $0, in: &collection) }
        let storage = PlanStorage(collection)
        let steps = zip(network.steps, drafts).map { step, draft in
            PlannedStep(
                kernel: kernel(of: step, draft, storage), output: placed.value(step.output),
                isShared: sharesSteps && network.isWorthSharing(step, images: placed.images),
                nodes: step.nodes, macs: network.macs(of: step),
                denseMacs: network.denseMacs(of: step), computedMacs: computedMacs(of: step, draft))
        }
        return (steps, storage)
    }

    private mutating func draft(of index: Int, in collection: inout PlanStorage.Collection) -> Draft {
        let step = network.steps[index]
        let x = placed.value(step.inputs[0])
        switch step.kind {
        case .convolution(let layer):
            guard let kernel = network.kernels[index] else {
                return .convolveDepthwise(
                    PackedDepthwise(layer, input: x.layout.image, in: &collection), layer.convolution)
            }
            return draft(of: layer, at: index, by: kernel, in: &collection)
        case .maxPool(let pooling): return .ready(.pool(pool(pooling, step, takesMean: false), x: x.place))
        case .averagePool(let pooling): return .ready(.pool(pool(pooling, step, takesMean: true), x: x.place))
        case .globalAveragePool: return .ready(.poolGlobally(x.layout.image, x: x.place))
        case .add: return .ready(.add(step.activation.kernel, a: x.place, b: placed.value(step.inputs[1]).place))
        case .activate: return .ready(.add(step.activation.kernel, a: x.place, b: nil))
        case .scale(let factors, let offsets):
            let pixel = Int(x.layout.image.pixel)
            return .scale(
                factors: collection.append(factors, paddedTo: pixel),
                offsets: collection.append(offsets, paddedTo: pixel))
        case .scaleChannels:
            let factors = placed.value(step.inputs[1])
            return .ready(
                .scaleChannels(
                    step.activation.kernel, x: x.place, factors: factors.place,
                    factorsPerImage: factors.layout.image.image))
        case .move(let sources):
            let first = collection.sources.count
            for (channel, source) in sources.enumerated() {
                collection.append(source.kernel, isFirst: channel == 0)
            }
            return .move(first)
        case .flatten: return .ready(.flatten(x.layout.image, x: x.place))
        case .rearrange: return .ready(.rearrange(x.layout.image, x: x.place))
        }
    }

    private mutating func draft(
        of layer: LayerWeights, at index: Int, by kernel: ConvolutionKernel, in collection: inout PlanStorage.Collection
    ) -> Draft {
        switch kernel {
        case .taps, .rows, .planes, .split:
            let packed = PackedConvolution(
                layer, lanes: instructionSet.lanes, wordElements: kernel == .split ? 2 : instructionSet.wordElements,
                kernel: kernel, in: &collection)
            let entries = packed.mostTaps * MemoryLayout<tk_entry>.size
            guard kernel == .split else {
                room = max(room, entries)
                guard let walk = placed.walks[index] else { return .convolvePlanes(packed, layer.convolution) }
                return .convolve(packed, layer.convolution, walk, sharesColumns: kernel == .rows)
            }
            // Three halves for each float, in whole cache lines behind the entries.
            let floats = layouts[network.steps[index].inputs[0]].size(images: placed.images)
            let parts = (entries + 63) / 64 * 64
            room = max(room, parts + (floats + 31) / 32 * 32 * 6)
            return .convolveSplit(packed, layer.convolution, placed.walks[index]!, parts: parts)
        case .sparse:
            let layout = layouts[network.steps[index].inputs[0]].image
            let vectors = (Int(layout.height * layout.width) + instructionSet.lanes - 1) / instructionSet.lanes
            let packed = PackedSparse(
                layer, layout: layout, lanes: instructionSet.lanes,
                mostVectors: sharesSteps ? (vectors + threads - 1) / threads : .max, in: &collection)
            room = max(room, packed.room * MemoryLayout<Float>.size)
            return .convolveSparse(packed)
        }
    }

    private func kernel(of step: LoweredStep, _ draft: Draft, _ storage: PlanStorage) -> PlannedStep.Kernel {
        let x = placed.value(step.inputs[0])
        let residual = step.inputs.count > 1 ? placed.value(step.inputs[1]).place : nil
        switch draft {
        case .convolve(let packed, let convolution, let walk, let sharesColumns):
            var arguments = arguments(of: packed, convolution, step, storage)
            arguments.walk = walk.kind
            arguments.shares_columns = sharesColumns
            return .convolve(arguments, x: x.place, residual: residual)
        case .convolveSplit(let packed, let convolution, let walk, let parts):
            var arguments = arguments(of: packed, convolution, step, storage)
            arguments.walk = walk.kind
            return .convolveSplit(arguments, x: x.place, residual: residual, parts: parts)
        case .convolvePlanes(let packed, let convolution):
            return .convolvePlanes(
                arguments(of: packed, convolution, step, storage), x: x.place, residual: residual)
        case .convolveSparse(let packed):
            let arguments = tk_sparse(
                input: x.layout.image, output: layouts[step.output].image, activation: step.activation.kernel,
                copy_count: Int32(packed.copyCount), copies: storage.copies(at: packed.copies),
                strip: Int32(packed.strip), length: Int32(packed.length), before: Int32(packed.before),
                slice_count: Int32(packed.sliceCount), ends: storage.integers(at: packed.ends),
                terms: storage.terms(at: packed.terms), bias: storage.floats(at: packed.bias))
            return .convolveSparse(arguments, x: x.place, residual: residual)
        case .convolveDepthwise(let packed, let convolution):
            let arguments = tk_depthwise(
                input: x.layout.image, output: layouts[step.output].image,
                stride_height: Int32(convolution.stride.height), stride_width: Int32(convolution.stride.width),
                activation: step.activation.kernel, tap_count: Int32(packed.tapCount),
                offsets: storage.integers(at: packed.offsets),
                weights: storage.floats(at: packed.weights), bias: storage.floats(at: packed.bias))
            return .convolveDepthwise(arguments, x: x.place)
        case .scale(let factors, let offsets):
            return .scale(
                step.activation.kernel, x: x.place, factors: storage.floats(at: factors),
                offsets: storage.floats(at: offsets))
        case .move(let first): return .move(x.layout.image, storage.sources(at: first)!, x: x.place)
        case .ready(let kernel): return kernel
        }
    }

    private func arguments(
        of packed: PackedConvolution, _ convolution: Convolution, _ step: LoweredStep, _ storage: PlanStorage
    ) -> tk_convolution {
        tk_convolution(
            input: layouts[step.inputs[0]].image, output: layouts[step.output].image,
            stride_height: Int32(convolution.stride.height), stride_width: Int32(convolution.stride.width),
            walk: TK_FLAT, splits_outputs: splitsOutputs(packed, convolution, step),
            stores_floats: layouts[step.output].holdsFloats, shares_columns: false, activation: step.activation.kernel,
            block_count: Int32(packed.blockCount),
            blocks: storage.blocks(at: packed.firstBlock), taps: storage.taps(at: packed.firstTap),
            weights: storage.floats(at: packed.weights), bias: storage.floats(at: packed.bias))
    }

    private func pool(_ pooling: Pooling, _ step: LoweredStep, takesMean: Bool) -> tk_pooling {
        tk_pooling(
            input: layouts[step.inputs[0]].image, output: layouts[step.output].image,
            kernel_height: Int32(pooling.kernel.height), kernel_width: Int32(pooling.kernel.width),
            stride_height: Int32(pooling.stride.height), stride_width: Int32(pooling.stride.width),
            top: Int32(pooling.padding.top), left: Int32(pooling.padding.left), takes_mean: takesMean)
    }

    // MARK: - Threads and figures

    /// Large weights are read once over all threads; small ones are read by each, and positions shared.
    private func splitsOutputs(_ packed: PackedConvolution, _ convolution: Convolution, _ step: LoweredStep) -> Bool {
        let positions = network.values[step.output].height * network.values[step.output].width
        return sharesSteps && packed.blockCount >= threads
            && (positions <= 4 || packed.computedPerPosition * instructionSet.precision.elementSize > 600_000)
    }

    private func computedMacs(of step: LoweredStep, _ draft: Draft) -> Int {
        let output = network.values[step.output]
        switch draft {
        case .convolve(let packed, _, _, _), .convolveSplit(let packed, _, _, _), .convolvePlanes(let packed, _):
            return packed.computedPerPosition * output.height * output.width
        case .convolveSparse(let packed): return packed.termCount * output.height * output.width
        case .convolveDepthwise(let packed, _): return packed.tapCount * output.count
        case .scale, .move, .ready: return 0
        }
    }
}

extension LoweredStep.Activation {
    var kernel: tk_activation {
        switch self {
        case .identity: TK_IDENTITY
        case .relu: TK_RELU
        case .sigmoid: TK_SIGMOID
        case .swish: TK_SWISH
        }
    }
}

extension LoweredStep.Source? {
    fileprivate var kernel: tk_source {
        tk_source(
            count: 1, channel: Int32(self?.channel ?? -1), row: Int32(self?.row ?? 0), column: Int32(self?.column ?? 0))
    }
}
