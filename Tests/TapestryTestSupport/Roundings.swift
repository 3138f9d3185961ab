import TapestryCore

extension RandomStream {
    /// The same but for some roundings of each element, 32 at most: what comes of it in the end says how far apart two
    /// ways of computing may be that round differently.
    public mutating func rounded<Element: BinaryFloatingPoint & Sendable>(
        _ tensor: Tensor<Element>
    ) -> Tensor<Element> {
        var moved = tensor
        for index in moved.elements.indices {
            moved.elements[index] = Element(Double(moved.elements[index]) * (1 + uniform(in: -1...1) * 0x1p-19))
        }
        return moved
    }

    /// The same for every parameter.
    public mutating func rounded(_ weights: Weights) -> Weights {
        var moved = weights
        for name in weights.tensors.keys.sorted() { moved.tensors[name] = rounded(weights.tensors[name]!) }
        return moved
    }
}

extension Tensor<Float> {
    /// The largest difference of two elements at one place.
    public func distance(to other: Tensor<Float>) -> Double {
        zip(elements, other.elements).map { Double(abs($0 - $1)) }.max() ?? 0
    }
}
