import TapestryCore

/// The networks of "EC2T: entropy-constrained trained ternarization" (Marban et al., CVPR workshops 2020): MicroNet, which
/// is made to be scaled, LeNet-5 and residual networks. Its EfficientNets have a file of their own.
enum EC2TNetworks: NetworkFamily {
    static let listedNames =
        ["micronet", "micronet-imagenet", "lenet5", "resnet20", "resnet18", "resnet34", "resnet50"].map { "ec2t/\($0)" }

    static func architecture(named name: String) -> Architecture? {
        func architecture(
            _ summary: String, options: Set<NetworkOption> = [],
            _ builder: @escaping @Sendable (NetworkOptions) throws(GraphError) -> Graph
        ) -> Architecture {
            Architecture(name: name, summary: summary, options: options, builder: builder)
        }
        switch name {
        case "ec2t/micronet":
            return architecture(
                "MicroNet for small images, at depth 1.4^3.5 and width 1.2^3.5",
                options: [.depthMultiplier, .widthMultiplier, .dropout], microNet)
        case "ec2t/micronet-imagenet":
            return architecture(
                "MicroNet for ImageNet, not scaled", options: [.depthMultiplier, .widthMultiplier, .dropout],
                microNetForImageNet)
        case "ec2t/lenet5": return architecture("LeNet-5, widths 6 and 16", options: [.widthMultiplier], leNet)
        case "ec2t/resnet20": return architecture("ResNet-20, shortcuts without parameters", resNet20)
        case "ec2t/resnet18": return imageNetResNet(name, 18, [2, 2, 2, 2], hasBottlenecks: false)
        case "ec2t/resnet34": return imageNetResNet(name, 34, [3, 4, 6, 3], hasBottlenecks: false)
        case "ec2t/resnet50": return imageNetResNet(name, 50, [3, 4, 6, 3], hasBottlenecks: true)
        default: return nil
        }
    }

    /// A scaled width as the paper rounds it: to the nearest multiple of 8, at least 8, and never below nine tenths.
    static func rounded(_ width: Double) -> Int {
        let multiple = max(8, Int(width + 4) / 8 * 8)
        return Double(multiple) < 0.9 * width ? multiple + 8 : multiple
    }

    /// A scaled number of blocks.
    static func repeated(_ count: Int, _ multiplier: Double) -> Int { Int((Double(count) * multiplier).rounded(.up)) }
}

// MARK: - MicroNet

extension EC2TNetworks {
    /// alpha^phi and beta^phi of the published network: 1.4^3.5 and 1.2^3.5.
    private static let publishedDepth = 3.246_744_584_965_068_5
    private static let publishedWidth = 1.892_929_158_737_853_8

    private static func microNet(_ options: NetworkOptions) throws(GraphError) -> Graph {
        let depth = options.depthMultiplier ?? publishedDepth
        let width = options.widthMultiplier ?? publishedWidth
        return try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image.convolution(
                "conv1", to: rounded(16 * width), kernel: 3, padding: 1, initialization: .fanInNormal
            ).batchNorm("bn1").relu("relu")
            for (stage, channels) in [16.0, 32, 64].enumerated() {
                for block in 0..<repeated(7, depth) {
                    x = microBlock(
                        x, named: "layer\(stage + 1).\(block)", width: rounded(channels * width),
                        stride: stage > 0 && block == 0 ? 2 : 1, dropout: options.dropout ?? 0.2)
                }
            }
            return x.relu("relu2").globalAveragePool("avgpool")
                .linear("linear", to: options.classes ?? 100, weight: .fanInNormal)
        }
    }

    private static func microNetForImageNet(_ options: NetworkOptions) throws(GraphError) -> Graph {
        let depth = options.depthMultiplier ?? 1
        let width = options.widthMultiplier ?? 1
        let stages: [(width: Double, repeats: Int, stride: Int)] = [
            (16, 1, 1), (24, 2, 2), (40, 2, 2), (80, 3, 2), (112, 3, 1), (192, 4, 2), (320, 1, 1),
        ]
        return try Graph.build(input: options.inputShape(defaultSize: 224)) { image in
            var x = image.convolution(
                "conv1", to: rounded(32 * width), kernel: 3, stride: 2, padding: 1, initialization: .fanInNormal
            ).batchNorm("bn1").relu("relu")
            for (index, stage) in stages.enumerated() {
                for block in 0..<repeated(stage.repeats, depth) {
                    x = microBlock(
                        x, named: "layer\(index + 1).\(block)", width: rounded(stage.width * width),
                        stride: block == 0 ? stage.stride : 1, dropout: 0)
                }
            }
            return x.convolution("conv2", to: rounded(1280 * width), kernel: 1, initialization: .fanInNormal)
                .batchNorm("bn2").relu("relu2").globalAveragePool("avgpool")
                .dropout("dropout", probability: options.dropout ?? 0.3)
                .linear("linear", to: options.classes ?? 1000, weight: .fanInNormal)
        }
    }

    /// BN, convolution, BN, ReLU, dropout, convolution, BN; the shortcut is of the block's raw input, and no ReLU follows
    /// the sum.
    private static func microBlock(
        _ x: GraphBuilder.Value, named name: String, width: Int, stride: Int, dropout: Double
    ) -> GraphBuilder.Value {
        var branch = x.batchNorm("\(name).bn1")
            .convolution(
                "\(name).conv1", to: width, kernel: 3, stride: stride, padding: 1, initialization: .fanInNormal
            )
            .batchNorm("\(name).bn2").relu("\(name).relu")
        if dropout > 0 { branch = branch.dropout("\(name).dropout", probability: dropout) }
        branch = branch.convolution("\(name).conv2", to: width, kernel: 3, padding: 1, initialization: .fanInNormal)
            .batchNorm("\(name).bn3")
        let shortcut =
            stride == 1 && x.channels == width
            ? x
            : x.convolution("\(name).shortcut.0", to: width, kernel: 1, stride: stride, initialization: .fanInNormal)
                .batchNorm("\(name).shortcut.1")
        return branch.adding(shortcut, named: "\(name).add")
    }
}

// MARK: - LeNet-5 and residual networks

extension EC2TNetworks {
    /// The paper does not scale it; here every width but that of the classes is multiplied and rounded to a whole number.
    private static func leNet(_ options: NetworkOptions) throws(GraphError) -> Graph {
        func scaled(_ width: Double) -> Int { max(1, Int((width * (options.widthMultiplier ?? 1)).rounded())) }
        return try Graph.build(input: options.inputShape(defaultSize: 28, defaultChannels: 1)) { image in
            image.convolution("conv1", to: scaled(6), kernel: 5, padding: 2, hasBias: true, bias: .fanInUniform)
                .relu("relu1").maxPool("pool1", kernel: 2)
                .convolution("conv2", to: scaled(16), kernel: 5, hasBias: true, bias: .fanInUniform)
                .relu("relu2").maxPool("pool2", kernel: 2).flatten()
                .linear("fc1", to: scaled(120)).relu("relu3").linear("fc2", to: scaled(84)).relu("relu4")
                .linear("fc3", to: options.classes ?? 10)
        }
    }

    /// Shortcuts take every second pixel, and put half of the new channels before, half after the existing ones.
    private static func resNet20(_ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image.convolution("conv1", to: 16, kernel: 3, padding: 1, initialization: .fanInNormal)
                .batchNorm("bn1").relu("relu")
            for (stage, width) in [16, 32, 64].enumerated() {
                for block in 0..<3 {
                    let name = "layer\(stage + 1).\(block)"
                    let stride = stage > 0 && block == 0 ? 2 : 1
                    let branch =
                        x.convolution(
                            "\(name).conv1", to: width, kernel: 3, stride: stride, padding: 1,
                            initialization: .fanInNormal
                        )
                        .batchNorm("\(name).bn1").relu("\(name).relu1")
                        .convolution("\(name).conv2", to: width, kernel: 3, padding: 1, initialization: .fanInNormal)
                        .batchNorm("\(name).bn2")
                    let new = width - x.channels
                    // The largest value of one pixel is that pixel.
                    let shortcut =
                        stride == 1
                        ? x
                        : x.maxPool("\(name).shortcut", kernel: 1, stride: 2)
                            .paddingChannels("\(name).shortcut.pad", before: new / 2, after: new - new / 2)
                    x = branch.adding(shortcut, named: "\(name).add").relu("\(name).relu2")
                }
            }
            return x.globalAveragePool("avgpool")
                .linear("linear", to: options.classes ?? 10, weight: .fanInNormal)
        }
    }

    /// The networks of He et al., 2016, with the stride of a bottleneck on its 3x3 convolution.
    private static func imageNetResNet(
        _ name: String, _ depth: Int, _ blocks: [Int], hasBottlenecks: Bool
    ) -> Architecture {
        Architecture(name: name, summary: "ResNet-\(depth) for ImageNet, as in torchvision") {
            options throws(GraphError) in
            try Graph.build(input: options.inputShape(defaultSize: 224)) { image in
                var x = image.convolution(
                    "conv1", to: 64, kernel: 7, stride: 2, padding: 3, initialization: .fanOutNormal
                )
                .batchNorm("bn1").relu("relu").maxPool("maxpool", kernel: 3, stride: 2, padding: 1)
                for (stage, count) in blocks.enumerated() {
                    for block in 0..<count {
                        x = residualBlock(
                            x, named: "layer\(stage + 1).\(block)", width: 64 << stage,
                            stride: stage > 0 && block == 0 ? 2 : 1, isBottleneck: hasBottlenecks)
                    }
                }
                return x.globalAveragePool("avgpool").linear("fc", to: options.classes ?? 1000)
            }
        }
    }

    private static func residualBlock(
        _ x: GraphBuilder.Value, named name: String, width: Int, stride: Int, isBottleneck: Bool
    ) -> GraphBuilder.Value {
        func convolution(
            _ x: GraphBuilder.Value, _ index: Int, to channels: Int, kernel: Int, stride: Int
        ) -> GraphBuilder.Value {
            x.convolution(
                "\(name).conv\(index)", to: channels, kernel: kernel, stride: stride, padding: kernel / 2,
                initialization: .fanOutNormal
            ).batchNorm("\(name).bn\(index)")
        }
        let outputs = isBottleneck ? 4 * width : width
        var branch: GraphBuilder.Value
        if isBottleneck {
            branch = convolution(x, 1, to: width, kernel: 1, stride: 1).relu("\(name).relu1")
            branch = convolution(branch, 2, to: width, kernel: 3, stride: stride).relu("\(name).relu2")
            branch = convolution(branch, 3, to: outputs, kernel: 1, stride: 1)
        } else {
            branch = convolution(x, 1, to: width, kernel: 3, stride: stride).relu("\(name).relu1")
            branch = convolution(branch, 2, to: outputs, kernel: 3, stride: 1)
        }
        let shortcut =
            stride == 1 && x.channels == outputs
            ? x
            : x.convolution(
                "\(name).downsample.0", to: outputs, kernel: 1, stride: stride, initialization: .fanOutNormal
            ).batchNorm("\(name).downsample.1")
        return branch.adding(shortcut, named: "\(name).add").relu("\(name).relu")
    }
}
