import CTapestryKernels
import TapestryCore

/// A network made ready to run: kernels chosen, weights packed, memory laid out. Nothing changes in it, so any number of
/// contexts may run it at the same time.
final class Plan: @unchecked Sendable {
    let instructionSet: InstructionSet
    let threads: Int
    /// The most images that go through the steps together.
    let capacity: Int
    /// Whether each thread takes images of its own through all steps; otherwise all threads share each step.
    let runsChunks: Bool
    let input: PlacedValue
    let output: PlacedValue
    let steps: [PlannedStep]
    /// Bytes of the memory that images on their way take.
    let arenaSize: Int
    /// Bytes that each thread needs beside the values, for the taps and copies that its kernels make.
    let room: Int
    let storage: PlanStorage

    /// Throws `GraphError` where the graph breaks a rule.
    init(_ model: FrozenModel, batch: Int, threads: Int, instructionSet: InstructionSet) throws(GraphError) {
        let (batch, threads) = (max(1, batch), max(1, threads))
        // Fewer images than this leave vectors of images half empty.
        runsChunks = batch >= 8 * threads
        capacity = runsChunks ? Self.chunk(of: batch, threads: threads) : min(batch, 16)
        self.threads = threads
        self.instructionSet = instructionSet
        var builder = PlanBuilder(
            ArrangedNetwork(try Lowering(model), instructionSet), images: capacity,
            sharesSteps: !runsChunks && threads > 1, threads: threads,
            instructionSet: instructionSet)
        builder.placeValues()
        let (steps, storage) = builder.plannedSteps()
        self.steps = steps
        self.storage = storage
        input = builder.value(0)
        output = builder.value(builder.network.output)
        arenaSize = builder.arena.size * instructionSet.precision.elementSize
        room = (builder.room + 63) / 64 * 64
    }

    /// Equal pieces of at most 16 images, as many for each thread.
    private static func chunk(of batch: Int, threads: Int) -> Int {
        let pieces = ((batch + 15) / 16 + threads - 1) / threads * threads
        return (batch + pieces - 1) / pieces
    }
}

/// A value in the arena.
struct PlacedValue {
    let layout: ValueLayout
    /// Where its first pixel is, in bytes.
    let place: Int
}

/// A step with all that its kernel takes, but for the arena.
struct PlannedStep {
    enum Kernel {
        case convolve(tk_convolution, x: Int, residual: Int?)
        case convolvePlanes(tk_convolution, x: Int, residual: Int?)
        case convolveSparse(tk_sparse, x: Int, residual: Int?)
        case convolveDepthwise(tk_depthwise, x: Int)
        case pool(tk_pooling, x: Int)
        case poolGlobally(tk_image, x: Int)
        case add(tk_activation, a: Int, b: Int?)
        case scale(tk_activation, x: Int, factors: UnsafePointer<Float>, offsets: UnsafePointer<Float>)
        case scaleChannels(tk_activation, x: Int, factors: Int, factorsPerImage: Int64)
        case move(tk_image, UnsafePointer<tk_source>, x: Int)
        case flatten(tk_image, x: Int)
        case rearrange(tk_image, x: Int)
    }

    let kernel: Kernel
    let output: PlacedValue
    /// Whether it is worth more than one thread.
    let isShared: Bool
    /// The nodes of the graph that it computes.
    let nodes: [String]
    /// Multiply-adds for one image: the network's, those of dense kernels in its place, and those that are computed.
    let macs: Int
    let denseMacs: Int
    let computedMacs: Int
}
