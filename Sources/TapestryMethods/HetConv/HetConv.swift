import TapestryCore

/// Heterogeneous kernels: channels split into P parts, and output part i has the whole kernel on input part i, the middle
/// tap on the others (Singh et al., "HetConv: Heterogeneous kernel-based convolutions for deep CNNs", CVPR 2019).
///
/// Square kernels of an odd size, which the paper has as 3x3. Convolutions that read the network's images are left alone,
/// as the published network's first one is, and so are kernels of other sizes, 1x1 among them.
struct HetConv: Method {
    static let name = "hetconv"
    static let summary = "hetconv:4: the whole kernel on one of 4 parts of the input channels, its middle on the others"
    static let stage = MethodStage.support

    let parts: Int

    init(argument: String?) throws(MethodError) {
        guard let argument, argument.allSatisfy({ $0.isASCII && $0.isNumber }), let parts = Int(argument), parts >= 1
        else { throw MethodError("hetconv needs the number of parts, as in hetconv:4") }
        self.parts = parts
    }

    func rewrite(_ site: ConvolutionSite) throws(MethodError) -> Replacement? {
        var (node, shaped) = (site.node, site.convolution)
        let side = shaped.kernel.height
        guard shaped.kernel == .square(side), side > 1, side % 2 == 1, !site.readsImages else { return nil }
        guard shaped.isDense else {
            throw MethodError("already has a support of its own, so hetconv cannot give it another")
        }
        guard shaped.groups == 1 else {
            throw MethodError("has \(shaped.groups) groups; hetconv needs outputs that see all input channels")
        }
        let (inputs, outputs) = (shaped.inputChannels, shaped.outputChannels)
        guard inputs % parts == 0, outputs % parts == 0 else {
            throw MethodError("\(parts) parts do not divide its \(inputs) input and \(outputs) output channels")
        }
        shaped.support = .blockDiagonal(parts: parts)
        node.operation = .convolution(shaped)
        return Replacement([node])
    }
}
