import CTapestryKernels
import Synchronization
import TapestryCore

/// A network that runs by Tapestry's own kernels, on the processor.
///
///     let network = try NativeNetwork(model.deployed(), batch: 64)
///     let logits = try network(images)
///
/// Convolutions compute what their support has and no more, with batch norm, sum and activation at their ends. Results in
/// `fp32` are those of single precision: within 1e-5 of the reference interpreter, relative to the largest logit. In
/// `bf16` values are rounded to 8 bits between layers. With one instruction set results are equal to the bit for any number
/// of threads, any batch, and however images are split into batches.
///
/// Safe to call from several threads at once. The first caller gets the threads, others compute alone meanwhile.
public final class NativeNetwork: Sendable {
    /// C x H x W of an image.
    public let inputShape: Shape
    /// The shape of the result for one image.
    public let outputShape: Shape
    public let threads: Int
    public let instructionSet: InstructionSet
    public var precision: NativePrecision { instructionSet.precision }

    let plan: Plan
    /// Contexts that no call is using.
    private let idle = Mutex<[Context]>([])

    /// Plans `model` for `batch` images at a time, the number for which it is fastest: any other works too. Precondition:
    /// `threads > 0`, `batch > 0`; an `instructionSet` is one for the precision.
    /// `tuning` is what `Tuning.measured` has found for the same arguments.
    ///
    /// Throws `GraphError` where the graph breaks a rule, `UnknownInstructionSet` where `instructionSet` is not given and
    /// `TAPESTRY_ISA` names none.
    public init(
        _ model: FrozenModel, batch: Int = 1, threads: Int = 1, precision: NativePrecision = .fp32,
        instructionSet: InstructionSet? = nil, tuning: Tuning? = nil
    ) throws {
        self.instructionSet = try instructionSet ?? InstructionSet.best(for: precision)
        precondition(batch > 0 && threads > 0 && self.instructionSet.precision == precision)
        self.threads = threads
        inputShape = model.graph.inputShape
        let shapes = try model.graph.outputShapes()
        let index = model.graph.nodes.firstIndex { $0.name == model.graph.outputName }!
        outputShape = shapes[index]
        plan = Plan(
            try PlanChoice.best(
                for: model, batch: batch, threads: threads, self.instructionSet, tuning: tuning))
    }

    /// The network's value for N x C x H x W images: N x `outputShape`.
    ///
    /// Throws `GraphError` where the images do not fit the network's input.
    public func callAsFunction(_ images: Tensor<Float>) throws(GraphError) -> Tensor<Float> {
        guard images.shape.rank == 4, Array(images.shape.dimensions.dropFirst()) == inputShape.dimensions else {
            throw GraphError(node: Graph.inputName, reason: "is given \(images.shape), expected N x \(inputShape)")
        }
        let count = images.shape[0]
        let elements = [Float](unsafeUninitializedCapacity: count * outputShape.count) { results, initialized in
            images.elements.withUnsafeBufferPointer { run($0, count: count, order: .planar, into: results) }
            initialized = count * outputShape.count
        }
        return Tensor(shape: Shape([count] + outputShape.dimensions), elements: elements)
    }

    /// How an image's pixels lie.
    public enum PixelOrder: Sendable {
        /// C x H x W.
        case planar
        /// H x W x C.
        case channelsLast
    }

    /// Runs `count` images, which lie densely one after the other, and writes their results likewise. After the first
    /// call nothing is allocated. Precondition: both buffers are large enough.
    public func run(
        _ images: UnsafeBufferPointer<Float>, count: Int, order: PixelOrder,
        into results: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(images.count >= count * inputShape.count && results.count >= count * outputShape.count)
        guard count > 0, let source = images.baseAddress, let target = results.baseAddress else { return }
        let context = idle.withLock { $0.popLast() } ?? Context(plan)
        context.run(
            Context.Call(
                images: source, count: count, areChannelsLast: order == .channelsLast, results: target))
        idle.withLock { $0.append(context) }
    }
}

extension NativeNetwork {
    /// Bytes of packed weights, and of the memory in which one caller's images are on their way.
    public var memory: (weights: Int, values: Int) {
        let arenas = plan.runsChunks ? threads : 1
        return (plan.storage.weightBytes, arenas * plan.arenaSize + threads * plan.room)
    }
}
