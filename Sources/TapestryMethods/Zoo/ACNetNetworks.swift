import TapestryCore
import TapestryRewrites

/// The networks of "ACNet: Strengthening the kernel skeletons for powerful CNN via asymmetric convolution blocks" (Ding et
/// al., ICCV 2019), here with plain convolutions; the method puts the blocks in their place.
///
/// The average pools of fixed size at the networks' ends are means over all positions, which at the published image sizes
/// is the same, so that other sizes work too.
enum ACNetNetworks: NetworkFamily {
    static let listedNames = all.map(\.name)

    static func architecture(named name: String) -> Architecture? { all.first { $0.name == name } }

    private static let all: [Architecture] = [
        architecture("cifar-quick", "three 5x5 convolutions, two linear layers", builder: cifarQuick),
        architecture("vgg16", "VGG-16, five max pools, two linear layers", builder: vgg16),
        smallResNet(depth: 56),
        smallResNet(depth: 110),
        architecture(
            "wrn16-8", "Wide ResNet-16-8, batch norm and ReLU before convolutions", [.dropout, .corrected],
            builder: wideResNet),
        architecture("resnet18", "ResNet-18 for 224x224 images") { options throws(GraphError) in
            try resnet(blocks: [2, 2, 2, 2], options)
        },
        architecture("resnet34", "ResNet-34 for 224x224 images") { options throws(GraphError) in
            try resnet(blocks: [3, 4, 6, 3], options)
        },
        architecture("resnet50", "ResNet-50 for 224x224 images, the stride on the 3x3 convolutions", builder: resnet50),
        architecture("mobilenet-v1", "MobileNetV1 for 224x224 images", builder: mobileNet),
        architecture(
            "lenet5", "LeNet-5 for 28x28 grey images; --widths 20 50, which the paper leaves open", [.widths],
            builder: lenet5),
    ]

    private static func architecture(
        _ name: String, _ summary: String, _ options: Set<NetworkOption> = [],
        builder: @escaping @Sendable (NetworkOptions) throws(GraphError) -> Graph
    ) -> Architecture {
        Architecture(
            name: "acnet/\(name)", summary: summary, conventions: [.acnetDeployed], options: options, builder: builder)
    }

    private static func smallResNet(depth: Int) -> Architecture {
        architecture("resnet\(depth)", "ResNet-\(depth), 16/32/64 wide, 1x1 shortcuts") {
            options throws(GraphError) in try smallResNet(blocks: (depth - 2) / 6, options)
        }
    }
}
