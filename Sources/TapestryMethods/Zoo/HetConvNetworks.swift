import TapestryCore
import TapestryRewrites

/// The network of "HetConv: Heterogeneous kernel-based convolutions for deep CNNs" (Singh et al., CVPR 2019): a VGG-16 for
/// small images. Its heterogeneous convolutions are the method's; here all are dense.
///
/// Five max pools leave one position of a 32x32 image; the mean over what is left lets other sizes work too.
enum HetConvNetworks: NetworkFamily {
    static let listedNames = ["hetconv/vgg16"]

    static func architecture(named name: String) -> Architecture? {
        guard name == "hetconv/vgg16" else { return nil }
        return Architecture(
            name: name, summary: "VGG-16, five max pools, two linear layers",
            conventions: [.hetConv, .hetConvStored], builder: vgg16)
    }

    @Sendable
    private static func vgg16(_ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image
            // Modules are numbered as in PyTorch's Sequential: convolution, batch norm, ReLU and pool count one each.
            var index = 0
            for widths in VGG.widths[16] ?? [] {
                for width in widths {
                    x = x.convolution(
                        "features.\(index)", to: width, kernel: 3, padding: 1, hasBias: index == 0,
                        initialization: .fanOutNormal
                    )
                    .batchNorm("features.\(index + 1)").relu("features.\(index + 2)")
                    index += 3
                }
                x = x.maxPool("features.\(index)", kernel: 2)
                index += 1
            }
            return x.globalAveragePool("avgpool")
                .linear("classifier.0", to: 512, weight: .normal(standardDeviation: 0.01), bias: .constant(0))
                .batchNorm("classifier.1")
                .relu("classifier.2")
                .linear(
                    "classifier.3", to: options.classes ?? 10, weight: .normal(standardDeviation: 0.01),
                    bias: .constant(0))
        }
    }
}
