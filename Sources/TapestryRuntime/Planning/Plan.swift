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

    init(_ choice: PlanChoice) {
        let placed = choice.placed
        threads = choice.threads
        instructionSet = placed.instructionSet
        runsChunks = choice.runsChunks
        capacity = placed.images
        var builder = PlanBuilder(placed, sharesSteps: choice.sharesSteps, threads: threads)
        let (steps, storage) = builder.plannedSteps()
        self.steps = steps
        self.storage = storage
        input = placed.value(0)
        output = placed.value(placed.network.output)
        arenaSize = placed.arena.size * instructionSet.precision.elementSize
        room = (builder.room + 63) / 64 * 64
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
        /// The parts of values lie so many bytes behind the entries.
        case convolveSplit(tk_convolution, x: Int, residual: Int?, parts: Int)
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
