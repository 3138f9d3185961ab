/// What computes convolutions, and what lies between them, while a network is trained on the CPU.
public enum TrainingEngine: String, CaseIterable, Sendable {
    /// Whichever is faster for a layer.
    case automatic = "auto"
    /// Tapestry's own kernels, wherever there are any.
    case native
    /// libtorch's operators.
    case torch

    /// Whether a layer for which there are kernels runs by them. A rule and no measurement, for a run has to give the same
    /// bits when it is repeated.
    package func takes(_ layer: any ConvolutionTraining) -> Bool {
        switch self {
        case .automatic: layer.instructionSet.name.hasPrefix("avx")
        case .native: true
        case .torch: false
        }
    }
}
