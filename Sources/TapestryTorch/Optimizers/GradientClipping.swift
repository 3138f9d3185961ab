import TapestryCore

extension Torch {
    /// Scales all gradients by min(1, maximum / (norm + 1e-6)), where norm = √Σ g² over all of them; returns norm.
    ///
    /// Nothing waits for the device: the norm, a scalar, is read when `item()` is called on it. Parameters without a
    /// gradient do not count. Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks".
    @discardableResult
    public static func clipGradientNorm(
        of parameters: [TorchTensor], to maximum: Double
    ) throws(TorchError) -> TorchTensor {
        let gradients = parameters.compactMap(\.grad)
        guard let first = gradients.first else { return try .full([], 0) }
        return try withoutGradients { () throws(TorchError) in
            let norms = try Aten.foreachNorm.all([.tensors(gradients)])
            let norm = try Aten.vectorNorm(.tensor(try .stack(norms)))
            let inverse = try Aten.reciprocal(.tensor(try Aten.addScalar(.tensor(norm), 1e-6)))
            let factor = try Aten.clampMax(.tensor(try inverse.multiply(by: maximum)), 1.0)
            _ = try Aten.foreachMultiply.all([.tensors(gradients), .tensor(try factor.to(first.device))])
            return norm
        }
    }
}
