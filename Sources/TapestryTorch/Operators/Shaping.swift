import TapestryCore

extension TorchTensor {
    /// The same elements in another shape; one dimension may be −1, and takes what is left. Shares memory if it can.
    public func reshaped(to dimensions: [Int]) throws(TorchError) -> TorchTensor {
        try Aten.reshape(.tensor(self), .integers(dimensions))
    }

    /// All axes from `axis` on as one.
    public func flattened(from axis: Int = 1) throws(TorchError) -> TorchTensor {
        try Aten.flatten(.tensor(self), .integer(axis))
    }

    /// The part at `start..<start + length` of an axis, sharing memory.
    public func narrow(along axis: Int, start: Int, length: Int) throws(TorchError) -> TorchTensor {
        try Aten.narrow(.tensor(self), .integer(axis), .integer(start), .integer(length))
    }

    /// The same memory, channels behind rows and columns where they lie so; itself otherwise.
    func withAxesAsStored() throws(TorchError) -> TorchTensor {
        guard !isContiguous(), isContiguous(.channelsLast) else { return self }
        return try Aten.permute(.tensor(self), .integers([0, 2, 3, 1]))
    }

    /// The slices at `indices` (int64, rank 1) of an axis, copied.
    public func select(_ indices: TorchTensor, along axis: Int) throws(TorchError) -> TorchTensor {
        try Aten.indexSelect(.tensor(self), .integer(axis), .tensor(indices))
    }

    /// Tensors joined along an axis that they have.
    public static func concatenate(_ tensors: [TorchTensor], along axis: Int) throws(TorchError) -> TorchTensor {
        try Aten.concatenate(.tensors(tensors), .integer(axis))
    }

    /// Tensors of one shape joined along a new axis.
    public static func stack(_ tensors: [TorchTensor], along axis: Int = 0) throws(TorchError) -> TorchTensor {
        try Aten.stack(.tensors(tensors), .integer(axis))
    }
}
