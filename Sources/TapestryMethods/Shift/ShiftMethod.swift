import TapestryCore

/// Spatial convolutions replaced by whole-pixel moves of channels (Wu et al., "Shift: a zero FLOP, zero parameter
/// alternative to spatial convolutions", CVPR 2018).
///
/// On shift/* the residual blocks become the paper's (see `ShiftNetworks`). Elsewhere a k x k convolution becomes a 1x1
/// convolution to int(E O) channels, a shift by k x k and a 1x1 convolution to O with the layer's stride and bias.
struct ShiftMethod: Method {
    static let name = "shift"
    static let summary =
        "shift:3: 1x1 convolution to 3 times as many channels as the layer puts out, channels moved by whole pixels, 1x1 "
        + "convolution; on shift/* ShiftNet's block"
    static let stage = MethodStage.structure

    /// E, by which the output channels are multiplied.
    let expansion: Double

    init(argument: String?) throws(MethodError) {
        expansion = try PositiveFactor.parse(argument, of: "shift", meaning: "expansion", example: "shift:3")
    }

    /// int(E O). Throws where that is no number of channels.
    func middleChannels(outputs: Int) throws(MethodError) -> Int {
        try PositiveFactor.channels(expansion * Double(outputs))
    }

    func rewrite(_ site: ConvolutionSite) throws(MethodError) -> Replacement? {
        let convolution = site.convolution
        guard convolution.kernel.area > 1 else { return nil }
        try site.requireDenseWithoutGroups(for: Self.name)
        let kernel = convolution.kernel.height
        let dilation = convolution.dilation.height
        guard convolution.kernel == .square(kernel), kernel % 2 == 1, convolution.dilation == .square(dilation) else {
            throw MethodError(
                "its \(convolution.kernel) kernel is not an odd square one; shift moves channels by those")
        }
        guard convolution.padding == .all(kernel / 2 * dilation) else {
            throw MethodError(
                "its padding is not \(kernel / 2 * dilation) on every side; a shift keeps the image's size")
        }
        let bottleneck = try site.bottleneck(
            channels: middleChannels(outputs: convolution.outputChannels), stride: convolution.stride)
        return Replacement(
            bottleneck.nodes(
                names: ("conv1", "shift", "conv2"), middle: .shift(Shift(kernel: kernel, dilation: dilation))))
    }
}
