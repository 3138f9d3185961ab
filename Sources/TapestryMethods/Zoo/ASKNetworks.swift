import TapestryCore
import TapestryRewrites

/// The networks of "ASKs: Convolution with any-shape kernels": VGG and ResNet for small images.
///
/// The published networks take 32x32 images only; here the last pooling is over all positions, which at 32x32 is the
/// same, so that other sizes work too. As published, no gradient flows back through ResNet's down-sampling shortcuts.
enum ASKNetworks: NetworkFamily {
    static let listedNames =
        ["ask/vgg11", "ask/vgg13", "ask/vgg16", "ask/vgg19", "ask/resnet20", "ask/resnet32", "ask/resnet56"]

    static func architecture(named name: String) -> Architecture? {
        func architecture(
            _ summary: String, _ convention: CountingConvention,
            _ builder: @escaping @Sendable (NetworkOptions) throws(GraphError) -> Graph
        ) -> Architecture {
            Architecture(name: name, summary: summary, convention: convention, builder: builder)
        }
        if let depth = depth(in: name, after: "ask/vgg"), let widths = vggWidths[depth] {
            return architecture("VGG-\(depth), batch norm, two linear layers", .askVGG) { options throws(GraphError) in
                try vgg(widths, options)
            }
        }
        if let depth = depth(in: name, after: "ask/resnet"), depth >= 8, depth % 6 == 2, depth <= largestDepth {
            return architecture("ResNet-\(depth), 16/32/64 wide, shortcuts without parameters", .askResNet) {
                options throws(GraphError) in try resnet(blocks: (depth - 2) / 6, options)
            }
        }
        return nil
    }

    private static let largestDepth = 6002

    private static func depth(in name: String, after prefix: String) -> Int? {
        guard name.hasPrefix(prefix) else { return nil }
        let digits = name.dropFirst(prefix.count)
        // "ask/resnet020" is not a second name of "ask/resnet20".
        guard digits.first != "0", digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(digits)
    }

    /// The widths of VGG's convolutions, a list for each stage; a max pool follows every stage but the last.
    private static let vggWidths: [Int: [[Int]]] = [
        11: [[64], [128], [256, 256], [512, 512], [512, 512]],
        13: [[64, 64], [128, 128], [256, 256], [512, 512], [512, 512]],
        16: [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]],
        19: [[64, 64], [128, 128], [256, 256, 256, 256], [512, 512, 512, 512], [512, 512, 512, 512]],
    ]

    private static func vgg(_ stages: [[Int]], _ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image
            // Modules are numbered as in PyTorch's Sequential: convolution, batch norm, ReLU and pool count one each.
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
                    x = basicBlock(x, named: "layer\(stage + 1).\(block)", width: width, stride: stride)
                }
            }
            return x.globalAveragePool("avgpool").linear("fc", to: options.classes ?? 10)
        }
    }

    private static func basicBlock(
        _ x: GraphBuilder.Value, named name: String, width: Int, stride: Int
    ) -> GraphBuilder.Value {
        let branch =
            x
            .convolution(
                "\(name).conv1", to: width, kernel: 3, stride: stride, padding: 1, initialization: .fanOutNormal
            )
            .batchNorm("\(name).bn1").relu("\(name).relu1")
            .convolution("\(name).conv2", to: width, kernel: 3, padding: 1, initialization: .fanOutNormal)
            .batchNorm("\(name).bn2")
        let shortcut =
            stride == 1
            ? x
            : x.averagePool("\(name).downsample", kernel: stride)
                .paddingChannels("\(name).downsample.pad", after: width - x.channels)
                .stoppingGradient("\(name).downsample.detach")
        return branch.adding(shortcut, named: "\(name).add").relu("\(name).relu2")
    }
}
