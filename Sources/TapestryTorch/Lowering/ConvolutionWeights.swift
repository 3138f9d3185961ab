import TapestryCore

/// How a convolution's weights live on a device while they train.
///
/// Training keeps them as libtorch's kernels want them, dense, and multiplies the gradient by a mask where the support
/// has gaps: weights off the support start at zero, get no gradient, and so stay exactly zero under every optimiser,
/// momentum and weight decay included. A step costs what the dense one costs, with no differentiated scatter and without
/// the published layer's slices and concatenations. Files hold the support's weights alone.
struct ConvolutionWeights {
    private let convolution: Convolution
    private let name: String

    init(_ convolution: Convolution, named name: String) {
        self.convolution = convolution
        self.name = name
    }

    /// The dense O x I/groups x H x W kernel.
    func unpack(_ weights: Weights) -> Tensor<Float> {
        convolution.denseWeights(from: convolution.storedWeights.map { weights.tensors["\(name).\($0.suffix)"]! })
    }

    /// Puts the weights of a dense kernel where a model stores them.
    func pack(_ dense: Tensor<Float>, into weights: inout Weights) {
        for (piece, tensor) in zip(convolution.storedWeights, convolution.storedWeights(from: dense)) {
            weights.tensors["\(name).\(piece.suffix)"] = tensor
        }
    }

    /// 1 on the support and 0 off it, in the kernel's shape; nil where the support is everything.
    var mask: Tensor<Float>? {
        guard !convolution.isDense else { return nil }
        return convolution.denseWeights(
            from: convolution.storedWeights.map { Tensor(shape: $0.shape, repeating: Float(1)) })
    }
}
