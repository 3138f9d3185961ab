import CTapestryTorch
import TapestryCore

/// A tensor of libtorch: a counted reference to its memory, shape and gradient.
///
/// Not `Sendable`: libtorch lets a tensor pass between threads but not be used by two at once, and grad mode is a state
/// of the thread. Send a `Tensor` of the host instead.
public final class TorchTensor {
    let handle: OpaquePointer

    /// Takes over a new reference of the shim.
    init(owning handle: OpaquePointer) { self.handle = handle }

    deinit { tapestry_tensor_release(handle) }

    /// The references to tensors that the process holds through this class and has not dropped; for tests of leaks.
    public static var liveCount: Int { Int(tapestry_tensor_live_count()) }

    public var shape: Shape {
        let rank = Int(tapestry_tensor_rank(handle))
        let extents = [Int64](unsafeUninitializedCapacity: rank) { buffer, count in
            // Of a scalar there is nothing to write, and nowhere.
            if let start = buffer.baseAddress, rank > 0 { tapestry_tensor_shape(handle, start) }
            count = rank
        }
        return Shape(extents.map(Int.init))
    }

    public var dataType: DataType { DataType(tapestry_tensor_data_type(handle)) }

    public var device: Device { Device(tapestry_tensor_device(handle)) }

    /// Whether memory lies in the format's order with no gaps. `.preserve` is asked as `.contiguous`.
    public func isContiguous(_ format: MemoryFormat = .contiguous) -> Bool {
        tapestry_tensor_is_contiguous(handle, format.code)
    }
}

// MARK: - Gradients

extension TorchTensor {
    /// Whether gradients flow to this tensor.
    public var requiresGrad: Bool { tapestry_tensor_requires_grad(handle) }

    /// Asks for a gradient, or no longer. Throws for integers, and when turned off on the result of an operator.
    public func setRequiresGrad(_ required: Bool) throws(TorchError) {
        try check(tapestry_tensor_set_requires_grad(handle, required), "requires_grad")
    }

    /// The gradient that `backward` left here, sharing its memory; nil before, and for a tensor that is no leaf.
    public var grad: TorchTensor? { tapestry_tensor_grad(handle).map(TorchTensor.init(owning:)) }

    /// Replaces the gradient; nil removes it. Throws unless shape, type and device are those of this tensor.
    public func setGrad(_ grad: TorchTensor?) throws(TorchError) {
        try check(tapestry_tensor_set_grad(handle, grad?.handle), "grad")
    }

    /// Adds d(self · upstream)/d(leaf) to the gradient of every leaf that self was computed from.
    ///
    /// `upstream` has the shape of self; without one self is a scalar. The graph is freed unless `retainGraph`.
    public func backward(upstream: TorchTensor? = nil, retainGraph: Bool = false) throws(TorchError) {
        let status = withExtendedLifetime(upstream) {
            tapestry_tensor_backward(handle, upstream?.handle, retainGraph)
        }
        try check(status, "backward")
    }
}
