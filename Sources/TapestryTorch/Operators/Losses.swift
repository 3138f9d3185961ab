/// What becomes of the losses of a batch.
public enum LossReduction: Int, Sendable {
    // The raw values are libtorch's.
    case none = 0
    case mean = 1
    case sum = 2
}

extension TorchTensor {
    /// −Σ q·log softmax(logits), q = (1 − labelSmoothing)·target + labelSmoothing / classes.
    ///
    /// Self holds the logits, N·classes. `targets` holds N class numbers (int64), or probabilities of the logits' shape
    /// and a floating type, as mixed images have. A scalar, or N losses for a reduction of `.none`.
    public func crossEntropy(
        targets: TorchTensor, labelSmoothing: Double = 0, reduction: LossReduction = .mean
    ) throws(TorchError) -> TorchTensor {
        try Aten.crossEntropy(
            .tensor(self), .tensor(targets), nil, .integer(reduction.rawValue), .omitted, .real(labelSmoothing))
    }

    /// x − log Σ exp(x) along an axis.
    public func logSoftmax(along axis: Int) throws(TorchError) -> TorchTensor {
        try Aten.logSoftmax(.tensor(self), .integer(axis))
    }
}
