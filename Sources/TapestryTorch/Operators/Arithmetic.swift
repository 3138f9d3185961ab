extension TorchTensor {
    /// x + scale·y, each broadcast to the other's shape.
    public func add(_ other: TorchTensor, scaledBy scale: Double = 1) throws(TorchError) -> TorchTensor {
        try Aten.add(.tensor(self), .tensor(other), Self.factor(scale))
    }

    /// x ← x + scale·y, y broadcast.
    public func addInPlace(_ other: TorchTensor, scaledBy scale: Double = 1) throws(TorchError) {
        _ = try Aten.addInPlace(.tensor(self), .tensor(other), Self.factor(scale))
    }

    /// x − y, each broadcast to the other's shape.
    public func subtract(_ other: TorchTensor) throws(TorchError) -> TorchTensor {
        try Aten.subtract(.tensor(self), .tensor(other))
    }

    /// x·y, each broadcast to the other's shape.
    public func multiply(by other: TorchTensor) throws(TorchError) -> TorchTensor {
        try Aten.multiply(.tensor(self), .tensor(other))
    }

    /// scale·x.
    public func multiply(by scale: Double) throws(TorchError) -> TorchTensor {
        try Aten.multiplyByScalar(.tensor(self), .real(scale))
    }

    /// x ← x·y, y broadcast, as a mask of a weight is.
    public func multiplyInPlace(by other: TorchTensor) throws(TorchError) {
        _ = try Aten.multiplyInPlace(.tensor(self), .tensor(other))
    }

    /// x ← scale·x.
    public func multiplyInPlace(by scale: Double) throws(TorchError) {
        _ = try Aten.multiplyByScalarInPlace(.tensor(self), .real(scale))
    }

    /// x ← x·y for each x and the y in its place, of the same shape.
    public static func multiplyInPlace(_ tensors: [TorchTensor], by factors: [TorchTensor]) throws(TorchError) {
        _ = try Torch.withoutGradients { () throws(TorchError) in
            try Aten.foreachMultiplyLists.all([.tensors(tensors), .tensors(factors)])
        }
    }

    /// Where x = y, as booleans.
    public func equal(to other: TorchTensor) throws(TorchError) -> TorchTensor {
        try Aten.equal(.tensor(self), .tensor(other))
    }

    /// Whether no element is infinite or NaN: waits for the device.
    public func isFinite() throws(TorchError) -> Bool {
        try Aten.all(.tensor(try Aten.isFinite(.tensor(self)))).item() != 0
    }

    /// Integer tensors take no real factor, not even 1.
    private static func factor(_ scale: Double) -> TorchValue { scale == 1 ? .omitted : .real(scale) }
}

// MARK: - Reductions

extension TorchTensor {
    /// Σ x, a scalar; booleans are counted.
    public func sum() throws(TorchError) -> TorchTensor { try Aten.sum(.tensor(self)) }

    /// Σ x over some axes, which stay with extent 1 if `keepingAxes`.
    public func sum(over axes: [Int], keepingAxes: Bool = false) throws(TorchError) -> TorchTensor {
        try Aten.sumAlong(.tensor(self), .integers(axes), .boolean(keepingAxes))
    }

    /// The mean, a scalar.
    public func mean() throws(TorchError) -> TorchTensor { try Aten.mean(.tensor(self)) }

    /// The mean over some axes, which stay with extent 1 if `keepingAxes`: [2, 3] is an NCHW tensor's global pooling.
    public func mean(over axes: [Int], keepingAxes: Bool = false) throws(TorchError) -> TorchTensor {
        try Aten.meanAlong(.tensor(self), .integers(axes), .boolean(keepingAxes))
    }

    /// The index of the greatest element along an axis (int64), the axis dropped.
    public func argmax(along axis: Int) throws(TorchError) -> TorchTensor {
        try Aten.argmax(.tensor(self), .integer(axis))
    }

    /// The `count` greatest elements along an axis, in descending order, and their indices (int64).
    public func topK(
        _ count: Int, along axis: Int = -1
    ) throws(TorchError) -> (values: TorchTensor, indices: TorchTensor) {
        let outputs = try Aten.topK.all([.tensor(self), .integer(count), .integer(axis)])
        return (outputs[0], outputs[1])
    }
}
