import CTapestryKernels
import TapestryCore

/// What a step of a planned network is and costs.
public struct StepProfile: Sendable {
    /// The nodes of the graph that it computes; the first gives it its name.
    public let nodes: [String]
    /// How it is computed: "taps by image", "depthwise" …
    public let kernel: String
    /// Multiply-adds for one image: those that the support asks for, those that a dense kernel would, and those that are
    /// computed, with the zeros of merged supports and of vectors' ends.
    public let macs: Int
    public let denseMacs: Int
    public let computedMacs: Int
    /// Median processor time for the images on one thread, in seconds.
    public let seconds: Double
}

extension NativeNetwork {
    /// Measures each step on one thread: `rounds` times a piece of the batch that the network is planned for, of random
    /// pixels. The piece has `imagesPerStep` images. Precondition: `rounds > 0`.
    public func profile(rounds: Int) -> [StepProfile] {
        zip(plan.steps, Context(plan).medianTimes(rounds: rounds)).map { step, seconds in
            StepProfile(
                nodes: step.nodes, kernel: step.kernel.description, macs: step.macs, denseMacs: step.denseMacs,
                computedMacs: step.computedMacs, seconds: seconds)
        }
    }

    /// How many images go through a step together.
    public var imagesPerStep: Int { plan.capacity }
}

extension PlannedStep.Kernel: CustomStringConvertible {
    var description: String {
        switch self {
        case .convolve(let convolution, _, _):
            "\(convolution.shares_columns ? "rows of taps" : "taps") \(convolution.walk.description)"
        case .convolveSplit(let convolution, _, _, _): "split taps \(convolution.walk.description)"
        case .convolvePlanes: "taps in planes"
        case .convolveSparse: "sparse"
        case .convolveDepthwise: "depthwise"
        case .pool: "pool"
        case .poolGlobally: "global pool"
        case .add(_, _, let other): other == nil ? "activation" : "sum"
        case .scale, .scaleChannels: "scale"
        case .move: "move"
        case .flatten: "flatten"
        case .rearrange: "rearrange"
        }
    }
}
