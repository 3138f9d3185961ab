import CTapestryTorch

/// Averages gradients over a group of processes while the backward pass that makes them goes on: c10d's `Reducer`.
///
/// Gradients are sent in buckets, from the last parameter to the first, each once all of its gradients are there. Li et
/// al., "PyTorch distributed: experiences on accelerating data parallel training".
public final class GradientReducer {
    /// Of a bucket.
    public struct BucketSizes: Sendable {
        /// The first is small, so that sending begins soon.
        public var firstBytes: Int
        public var bytes: Int

        /// c10d's own by default.
        public init(firstBytes: Int = 1 << 20, bytes: Int = 25 << 20) {
            (self.firstBytes, self.bytes) = (firstBytes, bytes)
        }
    }

    private let handle: OpaquePointer
    /// Kept as long as the reducer sends by it.
    private let group: ProcessGroup

    /// Of parameters that are the same in all processes. Throws where they are not.
    public init(
        _ parameters: [TorchTensor], in group: ProcessGroup, buckets: BucketSizes = BucketSizes()
    ) throws(TorchError) {
        var made: OpaquePointer?
        let handles: [OpaquePointer] = parameters.map(\.handle)
        let status = withExtendedLifetime(parameters) {
            handles.withUnsafeBufferPointer {
                tapestry_reducer_make(
                    group.handle, $0.baseAddress, Int64($0.count), Int64(buckets.firstBytes), Int64(buckets.bytes),
                    &made)
            }
        }
        try check(status, "reducer")
        guard let made else { throw TorchError(operation: "reducer", message: "none was made") }
        handle = made
        self.group = group
    }

    deinit { tapestry_reducer_release(handle) }

    /// `loss.backward()`, after which every parameter's gradient is the mean of those of all processes.
    ///
    /// Preconditions: `loss` is a scalar in which every parameter takes part, and no parameter has a gradient.
    public func backward(_ loss: TorchTensor) throws(TorchError) {
        try check(tapestry_reducer_backward(handle, loss.handle), "backward")
    }
}
