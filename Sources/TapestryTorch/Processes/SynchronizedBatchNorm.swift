import CTapestryTorch

extension TorchTensor {
    /// `batchNorm` in training, with mean and variance of the images of all processes of a group, of which some may have
    /// none. Its gradient goes through them.
    ///
    /// Statistics are added up in double precision, in the order of the ranks.
    public func batchNorm(
        weight: TorchTensor, bias: TorchTensor, runningMean: TorchTensor, runningVariance: TorchTensor,
        momentum: Double, epsilon: Double, synchronizedBy group: ProcessGroup
    ) throws(TorchError) -> TorchTensor {
        var normalized: OpaquePointer?
        let status = tapestry_synchronized_batch_norm(
            group.handle, handle, weight.handle, bias.handle, runningMean.handle, runningVariance.handle, momentum,
            epsilon, &normalized)
        try check(status, "synchronized batch norm")
        guard let normalized else { throw TorchError(operation: "batch norm", message: "no output was made") }
        return TorchTensor(owning: normalized)
    }
}
