import TapestryCore

/// A spatial convolution of each channel by itself, then a 1x1 convolution that mixes them (Howard et al., "MobileNets",
/// 2017, without the batch norm and activation that they put between the two).
struct Separable: Method {
    static let name = "separable"
    static let summary = "separable: a spatial convolution of each channel, then a 1x1 convolution (MobileNets)"
    static let stage = MethodStage.structure

    init(argument: String?) throws(MethodError) {
        guard argument == nil else { throw MethodError("separable takes no argument") }
    }

    func rewrite(_ site: ConvolutionSite) throws(MethodError) -> Replacement? {
        let convolution = site.convolution
        guard convolution.kernel.area > 1 else { return nil }
        try site.requireDenseWithoutGroups(for: Self.name)
        var depthwise = convolution
        depthwise.outputChannels = convolution.inputChannels
        depthwise.groups = convolution.inputChannels
        depthwise.hasBias = false
        let pointwise = Convolution(
            inputChannels: convolution.inputChannels, outputChannels: convolution.outputChannels, kernel: .square(1),
            hasBias: convolution.hasBias, weightInitialization: convolution.weightInitialization,
            biasInitialization: convolution.biasInitialization)
        let names = (depthwise: "\(site.node.name).depthwise", pointwise: "\(site.node.name).pointwise")
        return Replacement([
            Node(name: names.depthwise, operation: .convolution(depthwise), inputs: site.node.inputs),
            Node(name: names.pointwise, operation: .convolution(pointwise), inputs: [names.depthwise]),
        ])
    }
}
