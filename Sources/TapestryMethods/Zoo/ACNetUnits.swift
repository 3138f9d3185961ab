import TapestryCore

/// The units that ACNet's networks are made of. The names of a unit's parts, "X.conv", "X.bn" and "X.relu", are its
/// state-dict keys, and say which of its three forms it has; a ReLU outside of a unit has another name.
extension GraphBuilder.Value {
    /// Convolution, batch norm, ReLU. The padding keeps extents unless another is given.
    func convolutionNormReLU(
        _ name: String, to channels: Int, kernel: Int, stride: Int = 1, padding: Int? = nil, groups: Int = 1
    ) -> Self {
        convolutionNorm(name, to: channels, kernel: kernel, stride: stride, padding: padding, groups: groups)
            .relu("\(name).relu")
    }

    /// Convolution, batch norm.
    func convolutionNorm(
        _ name: String, to channels: Int, kernel: Int, stride: Int = 1, padding: Int? = nil, groups: Int = 1
    ) -> Self {
        convolution(
            "\(name).conv", to: channels, kernel: kernel, stride: stride, padding: padding ?? kernel / 2,
            groups: groups
        )
        .batchNorm("\(name).bn")
    }

    /// Batch norm, ReLU, convolution.
    func normReLUConvolution(_ name: String, to channels: Int, kernel: Int, stride: Int = 1) -> Self {
        batchNorm("\(name).bn").relu("\(name).relu")
            .convolution("\(name).conv", to: channels, kernel: kernel, stride: stride, padding: kernel / 2)
    }
}
