import TapestryCore
import TapestryRewrites

/// The networks of "ASKs: Convolution with any-shape kernels": VGG and ResNet for small images.
///
/// The published networks take 32x32 images only; here the last pooling is over all positions, which at 32x32 is the
/// same, so that other sizes work too. As published, no gradient flows back through ResNet's down-sampling shortcuts; corrected,
/// it does.
enum ASKNetworks: NetworkFamily {
    static let listedNames =
        ["ask/vgg11", "ask/vgg13", "ask/vgg16", "ask/vgg19", "ask/resnet20", "ask/resnet32", "ask/resnet56"]

    static func architecture(named name: String) -> Architecture? {
        func architecture(
            _ summary: String, _ convention: CountingConvention, _ options: Set<NetworkOption> = [],
            _ builder: @escaping @Sendable (NetworkOptions) throws(GraphError) -> Graph
        ) -> Architecture {
            Architecture(
                name: name, summary: summary, conventions: [convention], options: options, builder: builder)
        }
        if let depth = depth(in: name, after: "ask/vgg"), let widths = VGG.widths[depth] {
            return architecture("VGG-\(depth), batch norm, two linear layers", .askVGG) { options throws(GraphError) in
                try vgg(widths, options)
            }
        }
        if let depth = residualDepth(in: name, after: "ask/resnet") {
            return architecture(
                "ResNet-\(depth), 16/32/64 wide, shortcuts without parameters", .askResNet, [.corrected]
            ) {
                options throws(GraphError) in try resnet(blocks: (depth - 2) / 6, options)
            }
        }
        return nil
    }

    private static func vgg(_ stages: [[Int]], _ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image
            // Modules are numbered as in PyTorch's Sequential: convolution, batch norm, ReLU and pool count one each. A
            // pool follows every stage but the last.
            var index = 0
            for (stage, widths) in stages.enumerated() {
                if stage > 0 {
                    x = x.maxPool("feature.\(index)", kernel: 2)
                    index += 1
                }
                for width in widths {
                    x = x.convolution(
                        "feature.\(index)", to: width, kernel: 3, padding: 1, initialization: .fanOutNormal
                    )
                    .batchNorm("feature.\(index + 1)", weight: .constant(0.5))
                    .relu("feature.\(index + 2)")
                    index += 3
                }
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

    private static func resnet(blocks: Int, _ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image.convolution("conv1", to: 16, kernel: 3, padding: 1, initialization: .fanOutNormal)
                .batchNorm("bn1").relu("relu")
            for (stage, width) in [16, 32, 64].enumerated() {
                for block in 0..<blocks {
                    let stride = stage > 0 && block == 0 ? 2 : 1
                    x = basicBlock(
                        x, named: "layer\(stage + 1).\(block)", width: width, stride: stride,
                        isCorrected: options.isCorrected)
                }
            }
            return x.globalAveragePool("avgpool").linear("fc", to: options.classes ?? 10)
        }
    }

    private static func basicBlock(
        _ x: GraphBuilder.Value, named name: String, width: Int, stride: Int, isCorrected: Bool
    ) -> GraphBuilder.Value {
        let branch =
            x
            .convolution(
                "\(name).conv1", to: width, kernel: 3, stride: stride, padding: 1, initialization: .fanOutNormal
            )
            .batchNorm("\(name).bn1").relu("\(name).relu1")
            .convolution("\(name).conv2", to: width, kernel: 3, padding: 1, initialization: .fanOutNormal)
            .batchNorm("\(name).bn2")
        var shortcut = x
        if stride > 1 {
            shortcut = x.averagePool("\(name).downsample", kernel: stride)
                .paddingChannels("\(name).downsample.pad", after: width - x.channels)
            if !isCorrected { shortcut = shortcut.stoppingGradient("\(name).downsample.detach") }
        }
        return branch.adding(shortcut, named: "\(name).add").relu("\(name).relu2")
    }
}
