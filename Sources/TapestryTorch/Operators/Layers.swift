extension TorchTensor {
    /// The convolution of an N·C·H·W input with a weight of O·(C/groups)·h·w: N·O·H'·W'.
    ///
    /// H' = ⌊(H + 2·padding − dilation·(h − 1) − 1) / stride⌋ + 1. `stride`, `padding` and `dilation` are (height,
    /// width); for a padding that is not the same on both sides, see `constantPad`.
    public func convolution(
        weight: TorchTensor, bias: TorchTensor? = nil, stride: [Int] = [1, 1], padding: [Int] = [0, 0],
        dilation: [Int] = [1, 1], groups: Int = 1
    ) throws(TorchError) -> TorchTensor {
        try Aten.convolution(
            .tensor(self), .tensor(weight), .optional(bias), .integers(stride), .integers(padding),
            .integers(dilation), .integer(groups))
    }

    /// (x − mean) / √(variance + epsilon) · weight + bias, per channel.
    ///
    /// Training, mean and variance are the batch's, and the running ones move to them in place by `momentum`; otherwise
    /// they are the running ones.
    public func batchNorm(
        weight: TorchTensor?, bias: TorchTensor?, runningMean: TorchTensor?, runningVariance: TorchTensor?,
        training: Bool, momentum: Double = 0.1, epsilon: Double = 1e-5
    ) throws(TorchError) -> TorchTensor {
        try Aten.batchNorm(
            .tensor(self), .optional(weight), .optional(bias), .optional(runningMean), .optional(runningVariance),
            .boolean(training), .real(momentum), .real(epsilon), true)
    }

    /// x · weightᵀ + bias: input N·I, weight O·I, output N·O.
    public func linear(weight: TorchTensor, bias: TorchTensor? = nil) throws(TorchError) -> TorchTensor {
        try Aten.linear(.tensor(self), .tensor(weight), .optional(bias))
    }

    /// max(x, 0).
    public func relu() throws(TorchError) -> TorchTensor { try Aten.relu(.tensor(self)) }

    /// x ← max(x, 0). For a value that nothing else takes, and that its own gradient does not need.
    public func reluInPlace() throws(TorchError) -> TorchTensor { try Aten.reluInPlace(.tensor(self)) }

    /// 1 / (1 + e⁻ˣ).
    public func sigmoid() throws(TorchError) -> TorchTensor { try Aten.sigmoid(.tensor(self)) }

    /// x / (1 + e⁻ˣ).
    public func swish() throws(TorchError) -> TorchTensor { try Aten.silu(.tensor(self)) }

    /// Training, zero with probability `probability` and x / (1 − probability) otherwise, from libtorch's own
    /// generator (`TorchRuntime.setSeed`); x itself when not.
    public func dropout(probability: Double, training: Bool) throws(TorchError) -> TorchTensor {
        try Aten.dropout(.tensor(self), .real(probability), .boolean(training))
    }

    /// The maximum of each window, padded with −∞. With `ceilMode`, windows may start that end beyond the padding.
    public func maxPool2d(
        kernel: [Int], stride: [Int], padding: [Int] = [0, 0], dilation: [Int] = [1, 1], ceilMode: Bool = false
    ) throws(TorchError) -> TorchTensor {
        try Aten.maxPool2d(
            .tensor(self), .integers(kernel), .integers(stride), .integers(padding), .integers(dilation),
            .boolean(ceilMode))
    }

    /// The mean of each window; the padding counts as zeros unless `countIncludesPadding` is false.
    public func avgPool2d(
        kernel: [Int], stride: [Int], padding: [Int] = [0, 0], ceilMode: Bool = false,
        countIncludesPadding: Bool = true
    ) throws(TorchError) -> TorchTensor {
        try Aten.avgPool2d(
            .tensor(self), .integers(kernel), .integers(stride), .integers(padding), .boolean(ceilMode),
            .boolean(countIncludesPadding))
    }

    /// Means over windows that make the output `size` high and wide.
    ///
    /// For one output, `mean(over: [2, 3])` is the same, and deterministic on CUDA, where the gradient of this is not.
    public func adaptiveAvgPool2d(to size: [Int]) throws(TorchError) -> TorchTensor {
        try Aten.adaptiveAvgPool2d(.tensor(self), .integers(size))
    }

    /// Adds `value` around the last axes: `margins` has (before, after) of each of them, outermost first, so that
    /// [(0, 2), (0, 0), (0, 0)] gives an NCHW tensor two more channels. A negative margin crops.
    public func constantPad(
        _ margins: [(before: Int, after: Int)], value: Double = 0
    ) throws(TorchError) -> TorchTensor {
        // libtorch has the innermost axis first.
        let amounts = margins.reversed().flatMap { [$0.before, $0.after] }
        return try Aten.constantPad(.tensor(self), .integers(amounts), .real(value))
    }
}
