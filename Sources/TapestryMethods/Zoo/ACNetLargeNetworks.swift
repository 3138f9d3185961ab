import TapestryCore

/// ACNet's networks for ImageNet.
extension ACNetNetworks {
    /// ResNet-18 and ResNet-34: two 3x3 convolutions a block.
    static func resnet(blocks: [Int], _ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 224)) { image in
            var x = image.imageNetStem()
            for (stage, count) in blocks.enumerated() {
                let width = 64 << stage
                for block in 0..<count {
                    let stride = stage > 0 && block == 0 ? 2 : 1
                    let name = "stage\(stage + 1).\(block)"
                    let shortcut =
                        stride == 1 ? x : x.convolutionNorm("\(name).shortcut", to: width, kernel: 1, stride: stride)
                    x = x.convolutionNormReLU("\(name).conv1", to: width, kernel: 3, stride: stride)
                        .convolutionNorm("\(name).conv2", to: width, kernel: 3)
                        .adding(shortcut, named: "\(name).add").relu("\(name).relu")
                }
            }
            return x.globalAveragePool().linear("linear", to: options.classes ?? 1000)
        }
    }

    @Sendable
    static func resnet50(_ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 224)) { image in
            var x = image.imageNetStem()
            for (stage, count) in [3, 4, 6, 3].enumerated() {
                let width = 64 << stage
                for block in 0..<count {
                    let stride = stage > 0 && block == 0 ? 2 : 1
                    let name = "stage\(stage + 1).block\(block)"
                    let shortcut =
                        block == 0
                        ? x.convolutionNorm(
                            "stage\(stage + 1).projection", to: 4 * width, kernel: 1, stride: stride) : x
                    x = x.convolutionNormReLU("\(name).conv1", to: width, kernel: 1)
                        .convolutionNormReLU("\(name).conv2", to: width, kernel: 3, stride: stride)
                        .convolutionNorm("\(name).conv3", to: 4 * width, kernel: 1)
                        .adding(shortcut, named: "\(name).add").relu("\(name).relu")
                }
            }
            return x.globalAveragePool().linear("fc", to: options.classes ?? 1000)
        }
    }

    @Sendable
    static func mobileNet(_ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 224)) { image in
            var x = image.convolutionNormReLU("conv1", to: 32, kernel: 3, stride: 2)
            let widths = [64, 128, 128, 256, 256] + Array(repeating: 512, count: 6) + [1024, 1024]
            for (block, width) in widths.enumerated() {
                let stride = [1, 3, 5, 11].contains(block) ? 2 : 1
                x = x.convolutionNormReLU(
                    "stem.\(block).depthwise", to: x.channels, kernel: 3, stride: stride, groups: x.channels
                )
                .convolutionNormReLU("stem.\(block).pointwise", to: width, kernel: 1)
            }
            return x.globalAveragePool().linear("linear", to: options.classes ?? 1000)
        }
    }
}

extension GraphBuilder.Value {
    /// The 7x7 convolution and the max pool with which the ResNets begin.
    fileprivate func imageNetStem() -> Self {
        convolutionNormReLU("conv1", to: 64, kernel: 7, stride: 2).maxPool("maxpool", kernel: 3, stride: 2, padding: 1)
    }
}
