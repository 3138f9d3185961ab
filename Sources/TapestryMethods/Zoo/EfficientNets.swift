import TapestryCore

/// EfficientNet-B0 to B7 (Tan and Le, "EfficientNet: rethinking model scaling", ICML 2019) as EC2T's program has them.
///
/// The paper's "same" padding depends on the size of what a layer is given. The program computes it once, from the size of
/// the image, for all layers; on odd feature maps the two differ, and checkpoints belong to the program's. Corrected, each
/// layer pads for its own input.
enum EfficientNets: NetworkFamily {
    static let listedNames = variants.indices.map { "ec2t/efficientnet-b\($0)" }

    static func architecture(named name: String) -> Architecture? {
        guard let index = listedNames.firstIndex(of: name) else { return nil }
        return Architecture(
            name: name, summary: "EfficientNet-B\(index)",
            options: [.corrected, .dropout, .depthMultiplier, .widthMultiplier]
        ) { options throws(GraphError) in
            var variant = variants[index]
            variant.depth = options.depthMultiplier ?? variant.depth
            variant.width = options.widthMultiplier ?? variant.width
            return try graph(variant, options)
        }
    }

    private struct Variant {
        var width: Double
        var depth: Double
        let imageSize: Int
        let dropout: Double
    }

    private static let variants = [
        Variant(width: 1.0, depth: 1.0, imageSize: 224, dropout: 0.2),
        Variant(width: 1.0, depth: 1.1, imageSize: 240, dropout: 0.2),
        Variant(width: 1.1, depth: 1.2, imageSize: 260, dropout: 0.3),
        Variant(width: 1.2, depth: 1.4, imageSize: 300, dropout: 0.3),
        Variant(width: 1.4, depth: 1.8, imageSize: 380, dropout: 0.4),
        Variant(width: 1.6, depth: 2.2, imageSize: 456, dropout: 0.4),
        Variant(width: 1.8, depth: 2.6, imageSize: 528, dropout: 0.5),
        Variant(width: 2.0, depth: 3.1, imageSize: 600, dropout: 0.5),
    ]

    /// Blocks that differ in their stride and in what they take only.
    private struct Stage {
        let repeats: Int
        let kernel: Int
        let stride: Int
        let expansion: Int
        let inputs: Double
        let outputs: Double
    }

    private static let stages = [
        Stage(repeats: 1, kernel: 3, stride: 1, expansion: 1, inputs: 32, outputs: 16),
        Stage(repeats: 2, kernel: 3, stride: 2, expansion: 6, inputs: 16, outputs: 24),
        Stage(repeats: 2, kernel: 5, stride: 2, expansion: 6, inputs: 24, outputs: 40),
        Stage(repeats: 3, kernel: 3, stride: 2, expansion: 6, inputs: 40, outputs: 80),
        Stage(repeats: 3, kernel: 5, stride: 1, expansion: 6, inputs: 80, outputs: 112),
        Stage(repeats: 4, kernel: 5, stride: 2, expansion: 6, inputs: 112, outputs: 192),
        Stage(repeats: 1, kernel: 3, stride: 1, expansion: 6, inputs: 192, outputs: 320),
    ]

    /// The probability with which the last block's branch would be dropped; earlier blocks have their share of it.
    private static let branchDropRate = 0.2

    private static func graph(_ variant: Variant, _ options: NetworkOptions) throws(GraphError) -> Graph {
        let image = options.inputShape(defaultSize: variant.imageSize)
        let padding = SamePadding(imageSize: options.isCorrected ? nil : Size(height: image[1], width: image[2]))
        let blockCount = stages.reduce(0) { $0 + EC2TNetworks.repeated($1.repeats, variant.depth) }
        return try Graph.build(input: image) { image in
            let stem = EC2TNetworks.rounded(32 * variant.width)
            var x = layer(image, "_conv_stem", "_bn0", to: stem, kernel: 3, stride: 2, padding: padding).swish(
                "_swish0")
            var index = 0
            for stage in stages {
                for position in 0..<EC2TNetworks.repeated(stage.repeats, variant.depth) {
                    x = block(
                        x, named: "_blocks.\(index)", stage, width: variant.width, isFirst: position == 0,
                        dropRate: branchDropRate * Double(index) / Double(blockCount), padding: padding)
                    index += 1
                }
            }
            let head = EC2TNetworks.rounded(1280 * variant.width)
            return layer(x, "_conv_head", "_bn1", to: head, kernel: 1, padding: padding).swish("_swish1")
                .globalAveragePool("_avg_pooling")
                .dropout("_dropout", probability: options.dropout ?? variant.dropout)
                .linear("_fc", to: options.classes ?? 1000)
        }
    }

    private static func block(
        _ x: GraphBuilder.Value, named name: String, _ stage: Stage, width: Double, isFirst: Bool, dropRate: Double,
        padding: SamePadding
    ) -> GraphBuilder.Value {
        let stride = isFirst ? stage.stride : 1
        let outputs = EC2TNetworks.rounded(stage.outputs * width)
        var branch = x
        if stage.expansion > 1 {
            branch = layer(
                branch, "\(name)._expand_conv", "\(name)._bn0", to: x.channels * stage.expansion, kernel: 1,
                padding: padding
            ).swish("\(name)._swish0")
        }
        branch = layer(
            branch, "\(name)._depthwise_conv", "\(name)._bn1", to: branch.channels, kernel: stage.kernel,
            stride: stride, groups: branch.channels, padding: padding
        ).swish("\(name)._swish1")
        branch = squeezeAndExcite(branch, named: name, to: max(1, x.channels / 4))
        branch = layer(branch, "\(name)._project_conv", "\(name)._bn2", to: outputs, kernel: 1, padding: padding)
        guard !isFirst, stride == 1, x.channels == outputs else { return branch }
        if dropRate > 0 { branch = branch.dropBranch("\(name)._drop_connect", probability: dropRate) }
        return branch.adding(x, named: "\(name).add")
    }

    /// Each channel times a factor that the means of all channels give (Hu et al., 2018).
    private static func squeezeAndExcite(
        _ x: GraphBuilder.Value, named name: String, to squeezed: Int
    ) -> GraphBuilder.Value {
        let window = Size(height: x.shape.rank == 3 ? x.shape[1] : 1, width: x.shape.rank == 3 ? x.shape[2] : 1)
        let factors =
            x.applying(.averagePool(Pooling(kernel: window)), named: "\(name)._se_squeeze")
            .convolution("\(name)._se_reduce", to: squeezed, kernel: 1, hasBias: true, bias: .fanInUniform)
            .swish("\(name)._se_swish")
            .convolution("\(name)._se_expand", to: x.channels, kernel: 1, hasBias: true, bias: .fanInUniform)
            .sigmoid("\(name)._se_sigmoid").flatten("\(name)._se_factors")
        return x.scalingChannels(by: factors, named: "\(name)._se_scale")
    }

    private static func layer(
        _ x: GraphBuilder.Value, _ name: String, _ norm: String, to channels: Int, kernel: Int, stride: Int = 1,
        groups: Int = 1, padding: SamePadding
    ) -> GraphBuilder.Value {
        let convolution = Convolution(
            inputChannels: x.channels, outputChannels: channels, kernel: .square(kernel), stride: .square(stride),
            padding: padding.callAsFunction(kernel: kernel, stride: stride, input: x.shape), groups: groups)
        let normalized = BatchNorm(channels: channels, epsilon: 1e-3, momentum: 0.01)
        return x.applying(.convolution(convolution), named: name).applying(.batchNorm(normalized), named: norm)
    }
}

/// TensorFlow's "same" padding: as much as makes the output the input's size divided by the stride, rounded up; the odd
/// row and column come last.
private struct SamePadding {
    /// The size that all layers are padded for; nil for each its own.
    let imageSize: Size?

    func callAsFunction(kernel: Int, stride: Int, input: Shape) -> Padding {
        guard input.rank == 3 else { return .none }
        let size = imageSize ?? Size(height: input[1], width: input[2])
        func total(_ length: Int) -> Int { max(((length + stride - 1) / stride - 1) * stride + kernel - length, 0) }
        let (rows, columns) = (total(size.height), total(size.width))
        return Padding(top: rows / 2, left: columns / 2, bottom: rows - rows / 2, right: columns - columns / 2)
    }
}
