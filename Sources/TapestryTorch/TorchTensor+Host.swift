import CTapestryTorch
import TapestryCore

extension TorchTensor {
    /// A tensor with a copy of elements in host memory.
    ///
    /// `bytes` holds elements of `hostType` at `strides` (in elements, per axis; row-major when nil): pixels stored NHWC
    /// are a `shape` of NCHW with strides (H·W·C, 1, W·C, C). They become elements of `type` (`hostType` when nil), in
    /// `memoryFormat`, on `device`. Precondition: as many strides as dimensions. Throws when an element lies outside
    /// `bytes`.
    public convenience init(
        bytes: UnsafeRawBufferPointer, of hostType: DataType, shape: Shape, strides: [Int]? = nil,
        as type: DataType? = nil, on device: Device = .cpu, memoryFormat: MemoryFormat = .contiguous
    ) throws(TorchError) {
        precondition(strides.map { $0.count == shape.rank } ?? true, "strides \(strides ?? []) for shape \(shape)")
        let layout = HostLayout(type: hostType, shape: shape, strides: strides)
        self.init(owning: try layout.copy(bytes, as: type ?? hostType, on: device, memoryFormat))
    }

    /// A copy of a host tensor, as elements of `type` (its own when nil).
    public convenience init<Scalar: TorchHostScalar>(
        _ tensor: Tensor<Scalar>, as type: DataType? = nil, on device: Device = .cpu,
        memoryFormat: MemoryFormat = .contiguous
    ) throws(TorchError) {
        let layout = HostLayout(type: Scalar.dataType, shape: tensor.shape, strides: nil)
        let copied = tensor.elements.withUnsafeBytes { bytes in
            Result { () throws(TorchError) in
                try layout.copy(bytes, as: type ?? Scalar.dataType, on: device, memoryFormat)
            }
        }
        self.init(owning: try copied.get())
    }

    /// All elements, row-major, as `Scalar`: waits for the device and copies.
    public func host<Scalar: TorchHostScalar>(_ scalar: Scalar.Type = Float.self) throws(TorchError) -> Tensor<Scalar> {
        let shape = shape
        var status = TAPESTRY_OK
        let elements = [Scalar](unsafeUninitializedCapacity: shape.count) { buffer, count in
            let bytes = UnsafeMutableRawBufferPointer(buffer)
            status = tapestry_tensor_to_host(
                handle, Scalar.dataType.code, bytes.baseAddress, Int64(shape.count * MemoryLayout<Scalar>.stride))
            count = status == TAPESTRY_OK ? shape.count : 0
        }
        try check(status, "to host")
        return Tensor(shape: shape, elements: elements)
    }

    /// The one element of a tensor of count 1: waits for the device. Throws for any other count.
    public func item() throws(TorchError) -> Double {
        let elements = try host(Double.self).elements
        guard elements.count == 1 else {
            throw TorchError(operation: "item", message: "\(elements.count) elements, where one is asked for")
        }
        return elements[0]
    }
}

/// What lies in host memory, and how.
private struct HostLayout {
    let type: DataType
    let shape: Shape
    let strides: [Int]?

    /// A new reference to a tensor with a copy of `bytes`.
    func copy(
        _ bytes: UnsafeRawBufferPointer, as target: DataType, on device: Device, _ format: MemoryFormat
    ) throws(TorchError) -> OpaquePointer {
        var made: OpaquePointer?
        let status = tapestry_tensor_from_host(
            bytes.baseAddress, Int64(bytes.count), type.code, shape.dimensions.map(Int64.init),
            strides?.map(Int64.init), Int32(shape.rank), target.code, device.handle, format.code, &made)
        try check(status, "from host")
        guard let made else { throw TorchError(operation: "from host", message: "no tensor was made") }
        return made
    }
}
