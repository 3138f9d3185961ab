import TapestryCore

/// ACNet's networks for CIFAR and MNIST.
extension ACNetNetworks {
    @Sendable
    static func cifarQuick(_ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            image
                .convolutionNormReLU("conv1", to: 32, kernel: 5).maxPool("pool1", kernel: 3, stride: 2)
                .convolutionNormReLU("conv2", to: 32, kernel: 5).averagePool("pool2", kernel: 3, stride: 2)
                .convolutionNormReLU("conv3", to: 64, kernel: 5).averagePool("pool3", kernel: 3, stride: 2)
                .flatten().linear("fc1", to: 64).relu()
                .linear("fc2", to: options.classes ?? 10)
        }
    }

    @Sendable
    static func vgg16(_ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image
            var index = 0
            for (stage, widths) in (VGG.widths[16] ?? []).enumerated() {
                for width in widths {
                    index += 1
                    x = x.convolutionNormReLU("stem.conv\(index)", to: width, kernel: 3)
                }
                x = x.maxPool("stem.pool\(stage + 1)", kernel: 2)
            }
            return x.globalAveragePool().linear("linear1", to: 512).relu().linear("linear2", to: options.classes ?? 10)
        }
    }

    static func smallResNet(blocks: Int, _ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image.convolutionNorm("stage1.conv1", to: 16, kernel: 3).relu("stage1.relu")
            for (stage, width) in [(1, 16), (2, 32), (3, 64)] {
                for block in 0..<blocks {
                    let stride = stage > 1 && block == 0 ? 2 : 1
                    let name = "stage\(stage).block\(block)"
                    let shortcut =
                        stride == 1
                        ? x : x.convolutionNorm("stage\(stage).projection", to: width, kernel: 1, stride: stride)
                    x = x.convolutionNormReLU("\(name).conv1", to: width, kernel: 3, stride: stride)
                        .convolutionNorm("\(name).conv2", to: width, kernel: 3)
                        .adding(shortcut, named: "\(name).add").relu("\(name).relu")
                }
            }
            return x.globalAveragePool().linear("linear", to: options.classes ?? 10)
        }
    }

    /// As published, no ReLU follows the last batch norm; corrected, one does, as in the paper on Wide ResNets.
    @Sendable
    static func wideResNet(_ options: NetworkOptions) throws(GraphError) -> Graph {
        try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
            var x = image.convolution("conv1", to: 16, kernel: 3, padding: 1)
            for (stage, width) in [(1, 128), (2, 256), (3, 512)] {
                for block in 1...2 {
                    let stride = stage > 1 && block == 1 ? 2 : 1
                    let name = "stage\(stage).block\(block)"
                    let shortcut =
                        block == 1 ? x.normReLUConvolution("\(name).proj", to: width, kernel: 1, stride: stride) : x
                    var branch = x.normReLUConvolution("\(name).conv1", to: width, kernel: 3, stride: stride)
                    if let dropout = options.dropout, dropout > 0 {
                        branch = branch.dropout("\(name).dropout", probability: dropout)
                    }
                    x = branch.normReLUConvolution("\(name).conv2", to: width, kernel: 3)
                        .adding(shortcut, named: "\(name).add")
                }
            }
            x = x.batchNorm("last_bn")
            if options.isCorrected { x = x.relu("last_relu") }
            return x.globalAveragePool().linear("linear", to: options.classes ?? 10)
        }
    }

    /// The paper leaves the convolutions' widths open; Caffe's LeNet has 20 and 50.
    @Sendable
    static func lenet5(_ options: NetworkOptions) throws(GraphError) -> Graph {
        let widths = options.widths ?? [20, 50]
        guard widths.count == 2 else {
            throw GraphError(
                node: Graph.inputName, reason: "--widths has \(widths.count) numbers; LeNet-5 has two convolutions")
        }
        return try Graph.build(input: options.inputShape(defaultSize: 28, defaultChannels: 1)) { image in
            image
                .convolutionNormReLU("stem.conv1", to: widths[0], kernel: 5, padding: 0).maxPool(
                    "stem.pool1", kernel: 2
                )
                .convolutionNormReLU("stem.conv2", to: widths[1], kernel: 5, padding: 0).maxPool(
                    "stem.pool2", kernel: 2
                )
                .flatten().linear("linear1", to: 500).relu()
                .linear("linear2", to: options.classes ?? 10)
        }
    }
}
