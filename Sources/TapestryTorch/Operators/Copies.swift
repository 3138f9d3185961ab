import CTapestryTorch
import TapestryCore

extension TorchTensor {
    /// `value` everywhere.
    public static func full(
        _ shape: Shape, _ value: Double, as type: DataType = .float32, on device: Device = .cpu
    ) throws(TorchError) -> TorchTensor {
        try Aten.full(.integers(shape.dimensions), .real(value), .dataType(type), nil, .device(device))
    }

    /// Zeros of the shape, type, device and memory layout of self.
    public func zerosLike() throws(TorchError) -> TorchTensor { try Aten.zerosLike(.tensor(self)) }

    /// The same memory, cut off from the graph of gradients.
    public func detached() throws(TorchError) -> TorchTensor { try Aten.detach(.tensor(self)) }

    /// A copy in memory of its own.
    public func cloned(memoryFormat: MemoryFormat = .preserve) throws(TorchError) -> TorchTensor {
        try Aten.clone(.tensor(self), .memoryFormat(memoryFormat))
    }

    /// x ← source, converted and broadcast, from any device.
    public func copy(from source: TorchTensor) throws(TorchError) {
        _ = try Aten.copy(.tensor(self), .tensor(source))
    }

    /// x ← 0.
    public func zero() throws(TorchError) { _ = try Aten.zero(.tensor(self)) }

    /// On another device, of another type, in another memory layout; it shares memory if nothing changes.
    public func to(
        _ device: Device? = nil, as type: DataType? = nil, memoryFormat: MemoryFormat = .preserve
    ) throws(TorchError) -> TorchTensor {
        var moved: OpaquePointer?
        let place = (device ?? self.device).handle
        let status = tapestry_tensor_to(handle, place, (type ?? dataType).code, memoryFormat.code, &moved)
        try check(status, "to")
        guard let moved else { throw TorchError(operation: "to", message: "no tensor was made") }
        return TorchTensor(owning: moved)
    }
}
