import TapestryCore

extension Graph {
    /// A small network with every operation, every support and every initialization, and attributes that all differ.
    public static func everyOperation() throws -> Graph {
        var uneven = Convolution(
            inputChannels: 3, outputChannels: 4, kernel: Size(height: 3, width: 2), stride: Size(height: 1, width: 2),
            padding: Padding(top: 1, left: 2, bottom: 3, right: 0), dilation: Size(height: 2, width: 1), hasBias: true,
            weightInitialization: .fanInNormal, biasInitialization: .constant(0.25))
        let sets = [
            try TapSet(numbers: [1, 2], in: uneven.kernel), try TapSet(numbers: [3, 4, 6], in: uneven.kernel),
        ]
        var masked = Convolution(
            inputChannels: 4, outputChannels: 8, kernel: .square(3), padding: .all(1), groups: 2,
            weightInitialization: .normal(standardDeviation: 0.02))
        masked.support = .mask(WeightMask(size: masked.denseWeightShape.count) { $0 % 3 != 1 })
        uneven.support = .tapSets(sets)
        var pieces = Convolution(
            inputChannels: 8, outputChannels: 4, kernel: .square(3),
            padding: Padding(top: 1, left: -1, bottom: 1, right: 3), support: .blockDiagonal(parts: 2))
        pieces.hasBias = true
        let channelTaps = Convolution(
            inputChannels: 4, outputChannels: 8, kernel: Size(height: 1, width: 3),
            padding: Padding(top: 0, left: 1, bottom: 0, right: 1),
            support: .channelTaps([0, 2, 1, 1].map { Tap(row: 0, column: $0) }))
        return try Graph.build(input: [3, 10, 12]) { [uneven, masked, pieces, channelTaps] image in
            let x = image.applying(.convolution(uneven), named: "uneven")
                .applying(
                    .batchNorm(
                        BatchNorm(channels: 4, epsilon: 1e-3, momentum: 0.25, weightInitialization: .constant(0.5))),
                    named: "norm"
                ).relu().applying(.convolution(masked), named: "masked").applying(.convolution(pieces), named: "pieces")
                .applying(.convolution(channelTaps), named: "channelTaps").shift("shift", kernel: 3, dilation: 2)
                .dropout("dropout", probability: 0.25).dropBranch("dropBranch", probability: 0.125)
            let shortcut = x.averagePool("average", kernel: 2).paddingChannels("wider", before: 1, after: 2)
                .stoppingGradient("detached")
            let gate = x.globalAveragePool("squeeze").linear("excite", to: 8).swish().sigmoid()
            return x.scalingChannels(by: gate, named: "gated").maxPool("max", kernel: 3, stride: 2, padding: 1)
                .convolution("dense", to: 11, kernel: 1, initialization: .fanOutNormal)
                .applying(
                    .maxPool(
                        Pooling(
                            kernel: Size(height: 2, width: 1), stride: .square(1),
                            padding: Padding(top: 1, left: 0, bottom: 1, right: 0))), named: "taller"
                ).averagePool("back", kernel: 2, stride: 1).convolution("fit", to: 11, kernel: 1).affine("scaled")
                .adding(shortcut.convolution("pointwise", to: 11, kernel: 1), named: "sum")
                .globalAveragePool().linear("fc", to: 5).adding(
                    x.batchNorm("old", weight: .unitUniform).flatten().linear(
                        "side", to: 5, weight: .fanInUniform, bias: .constant(0)), named: "scores")
        }
    }
}
