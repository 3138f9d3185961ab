import TapestryCore

/// Bottlenecks with a spatial convolution of each channel by itself: what ShiftNet's paper compares shifts with.
///
/// On shift/* the residual blocks become the published ones (see `ShiftNetworks`). Elsewhere a convolution becomes a 1x1
/// convolution to int(1/R O) channels, its kernel on each of them by itself, with its stride, padding and dilation, and
/// a 1x1 convolution to O with its bias. The paper has the stride on the last 1x1 convolution; with nothing between
/// the two that computes the same, from more values.
struct DepthwiseMethod: Method {
    static let name = "depthwise"
    static let summary =
        "depthwise:1: 1x1 convolution to as many channels as the layer puts out, divided by 1, a spatial convolution of "
        + "each, 1x1 convolution; on shift/* the block that ShiftNet is compared with"
    static let stage = MethodStage.structure

    /// R, by which the output channels are divided.
    let reduction: Double

    init(argument: String?) throws(MethodError) {
        reduction = try PositiveFactor.parse(argument, of: "depthwise", meaning: "reduction", example: "depthwise:1")
    }

    /// int((1/R) O). Throws where that is no number of channels.
    func middleChannels(outputs: Int) throws(MethodError) -> Int {
        try PositiveFactor.channels(1 / reduction * Double(outputs))
    }

    func rewrite(_ site: ConvolutionSite) throws(MethodError) -> Replacement? {
        let convolution = site.convolution
        guard convolution.kernel.area > 1 else { return nil }
        try site.requireDenseWithoutGroups(for: Self.name)
        let channels = try middleChannels(outputs: convolution.outputChannels)
        var spatial = convolution
        (spatial.inputChannels, spatial.outputChannels, spatial.groups) = (channels, channels, channels)
        spatial.hasBias = false
        return Replacement(
            site.bottleneck(channels: channels, stride: .square(1)).nodes(
                names: ("conv1", "depth", "conv3"), middle: .convolution(spatial)))
    }
}
