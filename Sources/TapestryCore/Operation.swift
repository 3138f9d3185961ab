/// The closed set of primitives that every network is made of.
///
/// Adding one makes the compiler list every place to fill; `Docs/adding-an-operation.md` walks through them. Methods
/// never add operations: they compose these.
public enum Operation: Hashable, Sendable {
    case convolution(Convolution)
    case batchNorm(BatchNorm)
    /// weight * x + bias for each channel of C x H x W or C: what is left of a batch norm whose statistics stand still.
    case affine(channels: Int)
    case linear(Linear)
    case relu
    /// 1 / (1 + e^-x).
    case sigmoid
    /// x / (1 + e^-x), also called SiLU (Ramachandran et al., 2017).
    case swish
    case maxPool(Pooling)
    /// The mean over each window, padding zeros counted as values (PyTorch's default).
    case averagePool(Pooling)
    /// C x H x W to C: the mean over all positions.
    case globalAveragePool
    /// The sum of two values of one shape.
    case add
    /// C x H x W times a vector of C: each channel by its own factor.
    case scaleChannels
    /// Moves each channel by whole pixels; see `Shift`.
    case shift(Shift)
    /// Zero channels before and after the existing ones.
    case padChannels(before: Int, after: Int)
    /// The identity, through which no gradient flows back.
    case stopGradient
    /// In training each value becomes zero with this probability and is divided by 1 - probability otherwise; the
    /// identity in evaluation (Srivastava et al., 2014).
    case dropout(probability: Double)
    /// As dropout, but of an image's whole value at once (Huang et al., "Deep networks with stochastic depth", 2016).
    case dropBranch(probability: Double)
    /// C x H x W to the vector of its elements in that order.
    case flatten

    /// The name that graphs, tables and errors use.
    public var kind: String {
        switch self {
        case .convolution: "convolution"
        case .batchNorm: "batchNorm"
        case .affine: "affine"
        case .linear: "linear"
        case .relu: "relu"
        case .sigmoid: "sigmoid"
        case .swish: "swish"
        case .maxPool: "maxPool"
        case .averagePool: "averagePool"
        case .globalAveragePool: "globalAveragePool"
        case .add: "add"
        case .scaleChannels: "scaleChannels"
        case .shift: "shift"
        case .padChannels: "padChannels"
        case .stopGradient: "stopGradient"
        case .dropout: "dropout"
        case .dropBranch: "dropBranch"
        case .flatten: "flatten"
        }
    }

    public var inputCount: Int { self == .add || self == .scaleChannels ? 2 : 1 }

    /// Whether it changes a value in training only, and is the identity in evaluation.
    public var isForTrainingOnly: Bool {
        switch self {
        case .stopGradient, .dropout, .dropBranch: true
        case .convolution, .batchNorm, .affine, .linear, .relu, .sigmoid, .swish, .maxPool, .averagePool,
            .globalAveragePool, .add, .scaleChannels, .shift, .padChannels, .flatten:
            false
        }
    }
}

/// y = weight * (x - mean) / sqrt(variance + epsilon) + bias for each channel of C x H x W or C, with the batch's mean
/// and biased variance in training and the running ones in evaluation (Ioffe and Szegedy, 2015).
public struct BatchNorm: Hashable, Codable, Sendable {
    public var channels: Int
    public var epsilon: Double
    /// The share of the new batch in the running statistics, whose variance is the unbiased one.
    public var momentum: Double
    public var weightInitialization: Initialization

    public init(
        channels: Int, epsilon: Double = 1e-5, momentum: Double = 0.1,
        weightInitialization: Initialization = .constant(1)
    ) {
        self.channels = channels
        self.epsilon = epsilon
        self.momentum = momentum
        self.weightInitialization = weightInitialization
    }
}

/// y = W x + b on vectors, W of shape outputs x inputs.
public struct Linear: Hashable, Codable, Sendable {
    public var inputs: Int
    public var outputs: Int
    public var hasBias: Bool
    public var weightInitialization: Initialization
    public var biasInitialization: Initialization

    public init(
        inputs: Int, outputs: Int, hasBias: Bool = true, weightInitialization: Initialization = .fanInUniform,
        biasInitialization: Initialization = .fanInUniform
    ) {
        self.inputs = inputs
        self.outputs = outputs
        self.hasBias = hasBias
        self.weightInitialization = weightInitialization
        self.biasInitialization = biasInitialization
    }
}

/// A window moved over each channel; a last window that does not fit whole is left out.
public struct Pooling: Hashable, Codable, Sendable {
    public var kernel: Size
    public var stride: Size
    public var padding: Padding

    /// The stride is the kernel's size where none is given.
    public init(kernel: Size, stride: Size? = nil, padding: Padding = .none) {
        self.kernel = kernel
        self.stride = stride ?? kernel
        self.padding = padding
    }
}

/// y[c, i, j] = x[c, i + dilation * dy, j + dilation * dx], zero outside, where
/// dx = c mod k - k/2 and dy = (c div k) mod k - k/2 (whole divisions) for the first (C div k^2) * k^2 channels; the
/// others stay where they are (Wu et al., "Shift: a zero FLOP, zero parameter alternative to spatial convolutions", 2018).
public struct Shift: Hashable, Codable, Sendable {
    /// The side k of the square of displacements; odd.
    public var kernel: Int
    public var dilation: Int

    public init(kernel: Int = 3, dilation: Int = 1) {
        self.kernel = kernel
        self.dilation = dilation
    }

    /// What tap of a kernel x kernel window each of `channels` channels reads.
    public func taps(channels: Int) -> [Tap] {
        let moved = channels / (kernel * kernel) * kernel * kernel
        return (0..<channels).map { channel in
            channel < moved
                ? Tap(row: channel / kernel % kernel, column: channel % kernel)
                : Tap(row: kernel / 2, column: kernel / 2)
        }
    }
}

/// How a parameter starts. Fan-in is what one output sums over, fan-out the outputs times the kernel's area, both of the
/// stored tensor, so that an ASK group counts as the 1x1 convolution it is published as; for a mask, which is stored
/// flat, both of the dense kernel.
public enum Initialization: Hashable, Sendable {
    case constant(Double)
    case normal(standardDeviation: Double)
    /// Normal with standard deviation sqrt(2 / fan-out) (He et al., 2015).
    case fanOutNormal
    /// Normal with standard deviation sqrt(2 / fan-in).
    case fanInNormal
    /// Uniform in +-1/sqrt(fan-in): PyTorch's default for convolutions, linear layers and their biases, whose fan-in
    /// is their weight's.
    case fanInUniform
    /// Uniform from 0 to 1: how PyTorch before 1.0 started the weights of batch norms.
    case unitUniform
}
