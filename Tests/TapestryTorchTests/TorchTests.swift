import TapestryCore
import TapestryTorch
import Testing

/// All tests of libtorch, one after another: threads, determinism and the count of live tensors are the process's.
@Suite("libtorch", .serialized) enum TorchTests {}

/// Numbers in −1...1 that depend on `key` alone.
func random(_ shape: Shape, key: UInt64) -> Tensor<Double> {
    var stream = RandomStream(seed: 1, purpose: .test, key)
    return Tensor(shape: shape, elements: (0..<shape.count).map { _ in stream.uniform(in: -1...1) })
}

/// `random` as a tensor of libtorch.
func randomTensor(
    _ shape: Shape, key: UInt64, as type: DataType = .float32, requiresGrad: Bool = false
) throws -> TorchTensor {
    let tensor = try TorchTensor(random(shape, key: key), as: type)
    try tensor.setRequiresGrad(requiresGrad)
    return tensor
}

/// A network just big enough to have every kind of parameter: convolution, batch norm, ReLU, linear.
struct SmallNetwork {
    let weight, scale, shift, mean, variance, head, bias: TorchTensor

    /// For inputs of N·2·5·5 and 3 classes.
    init(as type: DataType = .float32) throws {
        weight = try randomTensor([4, 2, 3, 3], key: 1, as: type, requiresGrad: true)
        scale = try randomTensor([4], key: 2, as: type, requiresGrad: true)
        shift = try randomTensor([4], key: 3, as: type, requiresGrad: true)
        mean = try TorchTensor.full([4], 0, as: type)
        variance = try TorchTensor.full([4], 1, as: type)
        head = try randomTensor([3, 4 * 5 * 5], key: 4, as: type, requiresGrad: true)
        bias = try randomTensor([3], key: 5, as: type, requiresGrad: true)
    }

    var parameters: [NamedTensor] {
        [
            NamedTensor(name: "weight", tensor: weight), NamedTensor(name: "scale", tensor: scale),
            NamedTensor(name: "shift", tensor: shift), NamedTensor(name: "head", tensor: head),
            NamedTensor(name: "bias", tensor: bias),
        ]
    }

    func logits(_ input: TorchTensor) throws(TorchError) -> TorchTensor {
        try input.convolution(weight: weight, padding: [1, 1])
            .batchNorm(weight: scale, bias: shift, runningMean: mean, runningVariance: variance, training: true)
            .relu().flattened().linear(weight: head, bias: bias)
    }

    func loss(_ input: TorchTensor, _ targets: TorchTensor) throws(TorchError) -> TorchTensor {
        try logits(input).crossEntropy(targets: targets, labelSmoothing: 0.1)
    }
}
