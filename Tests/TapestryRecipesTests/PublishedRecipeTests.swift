import TapestryData
import TapestryFormats
import TapestryRecipes
import Testing

@Suite("Published recipes") struct PublishedRecipeTests {
    private func recipe(_ name: String) throws -> Recipe {
        try Recipes.recipe(name, forArchitecture: "").recipe
    }

    /// The rate at the first step of an epoch.
    private func rate(_ recipe: Recipe, epoch: Int, step: Int = 0, of steps: Int = 391) -> Double {
        recipe.learningRate
            * recipe.learningRateSchedule.factor(epoch: epoch, step: step, stepsPerEpoch: steps, epochs: recipe.epochs)
    }

    private func isClose(_ value: Double, _ expected: Double) -> Bool { abs(value - expected) <= 1e-9 * expected }

    @Test(arguments: [
        ("ask", "ask", "0.1 0.9 0.0001 64 160"), ("hetconv", "hetconv", "0.1 0.9 0.0005 128 330"),
        ("acnet/vgg16", "acnet-cifar", "0.1 0.9 0.0001 128 400"),
        ("acnet/resnet110", "acnet-cifar", "0.1 0.9 0.0001 128 400"),
        ("acnet/cifar-quick", "acnet-cifar-quick", "0.1 0.9 0.0001 128 150"),
        ("acnet/resnet56", "acnet-cifar-resnet56", "0.2 0.9 0.0001 128 400"),
        ("acnet/wrn16-8", "acnet-cifar-wrn", "0.1 0.9 0.0005 128 400"),
        ("acnet/resnet18", "acnet-imagenet", "0.1 0.9 0.0001 256 100"),
        ("acnet/mobilenet-v1", "acnet-imagenet", "0.1 0.9 0.0001 256 100"),
        ("shift", "shift", "0.1 0.9 0.0005 128 164"), ("ec2t/micronet", "ec2t-scale", "0.1 0.9 0.0005 256 200"),
        ("ec2t/resnet20", "ec2t-scale", "0.1 0.9 0.0005 256 200"),
        ("ec2t/micronet-imagenet", "ec2t-scale-imagenet", "0.1 0.9 0.0005 256 200"),
        ("ec2t/efficientnet-b1", "ec2t-scale-imagenet", "0.1 0.9 0.0005 256 200"),
        ("ec2t/lenet5", "ec2t-mnist", "0.1 0.9 0.0005 256 200"), ("model.safetensors", "ask", "0.1 0.9 0.0001 64 160"),
    ])
    func networksHaveTheirOwn(network: String, name: String, numbers: String) throws {
        let network = network.contains("/") || network.contains(".") ? network : "\(network)/resnet20"
        let own = try Recipes.recipe(nil, forArchitecture: network)
        let recipe = own.recipe
        #expect(own.name == name)
        #expect(own.seed == (network.hasPrefix("ec2t") ? 363_636 : 1))
        #expect(
            "\(recipe.learningRate) \(recipe.momentum) \(recipe.weightDecay) \(recipe.batchSize) \(recipe.epochs)"
                == numbers)
        #expect(recipe.optimizer == .sgd && recipe.weightDecayScope == .all && recipe.warmUpEpochs == 0)
        #expect(recipe.nesterov == network.hasPrefix("ec2t"))
        #expect(recipe.resetOptimizer == network.hasPrefix("shift"))
        #expect(recipe.biasLearningRateFactor == (network.hasPrefix("acnet") ? 2 : 1))
        #expect(recipe.noWeightDecay == (network.hasPrefix("acnet") ? ["depth"] : []))
        #expect(recipe.dropLast == (name == "acnet-imagenet"))
    }

    @Test func namesAreDistinct() { #expect(Set(Recipes.named.map(\.name)).count == Recipes.named.count) }

    @Test func hetconvMultipliesByAFifthSixTimes() throws {
        let recipe = try recipe("hetconv")
        let expected: [(epoch: Int, rate: Double)] = [
            (0, 0.1), (49, 0.1), (50, 0.02), (139, 0.02), (140, 0.004), (209, 0.004), (210, 0.0008), (239, 0.0008),
            (240, 0.00016), (269, 0.00016), (270, 0.000032), (299, 0.000032), (300, 0.0000064), (329, 0.0000064),
        ]
        for (epoch, rate) in expected { #expect(isClose(self.rate(recipe, epoch: epoch), rate), "epoch \(epoch)") }
    }

    @Test func shiftDividesByTenTwice() throws {
        let recipe = try recipe("shift")
        for (epoch, rate) in [(0, 0.1), (81, 0.1), (82, 0.01), (122, 0.01), (123, 0.001), (163, 0.001)] {
            #expect(isClose(self.rate(recipe, epoch: epoch), rate), "epoch \(epoch)")
        }
    }

    /// At step n of N: rate * (1 + cos(π n / N)) / 2 = rate * sin²(π (N - n) / 2N).
    @Test func acnetFollowsACosineStepByStep() throws {
        let cifar = try recipe("acnet-cifar")
        #expect(rate(cifar, epoch: 0, of: 390) == 0.1)
        #expect(isClose(rate(cifar, epoch: 100, of: 390), 0.08535533905932738))
        #expect(isClose(rate(cifar, epoch: 200, of: 390), 0.05))
        // n = 52,000 of 156,000: a third of the way, where the cosine is a half.
        #expect(isClose(rate(cifar, epoch: 133, step: 130, of: 390), 0.075))
        let last = rate(cifar, epoch: 399, step: 389, of: 390)
        #expect(abs(last - 1.0139e-11) < 1e-15)
        #expect(isClose(rate(try recipe("acnet-cifar-resnet56"), epoch: 200, of: 390), 0.1))
        #expect(isClose(rate(try recipe("acnet-cifar-quick"), epoch: 75, of: 390), 0.05))
        #expect(isClose(rate(try recipe("acnet-imagenet"), epoch: 50, of: 5004), 0.05))
    }

    @Test func ec2tFollowsACosineEpochByEpoch() throws {
        let recipe = try recipe("ec2t-scale")
        for step in [0, 195] {
            #expect(rate(recipe, epoch: 0, step: step, of: 196) == 0.1)
            #expect(isClose(rate(recipe, epoch: 50, step: step, of: 196), 0.08535533905932738))
            #expect(isClose(rate(recipe, epoch: 100, step: step, of: 196), 0.05))
            #expect(abs(rate(recipe, epoch: 199, step: step, of: 196) - 6.16838e-6) < 1e-11)
        }
    }

    @Test func acnetIsTestedBeforeTrainingEveryFiveEpochsAndInTheLastTen() throws {
        let recipe = try recipe("acnet-cifar")
        let tested = (0...400).filter { recipe.isTested(afterEpoch: $0) }
        #expect(tested == Array(stride(from: 0, through: 385, by: 5)) + Array(390...400))
        let hetconv = try self.recipe("hetconv")
        #expect((0...330).allSatisfy { hetconv.isTested(afterEpoch: $0) })
        #expect(!Recipe().isTested(afterEpoch: 0))
        #expect((1...160).allSatisfy { Recipe().isTested(afterEpoch: $0) })
    }

    @Test func theLastEpochIsAlwaysTested() {
        var recipe = Recipe()
        (recipe.epochs, recipe.testEvery) = (7, 3)
        #expect((0...7).filter { recipe.isTested(afterEpoch: $0) } == [3, 6, 7])
        recipe.testEvery = 1000
        #expect((0...7).filter { recipe.isTested(afterEpoch: $0) } == [7])
    }

    @Test(arguments: [
        ("ask", "crop flip"), ("hetconv", "flip crop"), ("shift", "crop flip"), ("acnet-cifar", "crop flip"),
        ("acnet-imagenet", "resized flip"), ("ec2t-scale", "flip crop jitter cutout"),
        ("ec2t-scale-imagenet", "resized flip"), ("ec2t-mnist", ""),
    ])
    func imagesAreAugmentedInTheirOrder(name: String, expected: String) throws {
        let channels = name == "ec2t-mnist" ? 1 : 3
        let recipe = try recipe(name)
        let size = ImageSize(height: 32, width: 32)
        let dataset = InMemoryDataset(
            LabelledImages(
                height: 32, width: 32, channels: channels, pixels: [UInt8](repeating: 0, count: 1024 * channels),
                labels: [0], classNames: ["a"]))
        let normalization = try Normalization.preset(recipe.normalization ?? "ask", channels: channels)
        let augmentation = recipe.augmentation(
            for: dataset, size: 32, channels: channels, normalization: normalization)
        let known: [AugmentationStep: String] = [
            .padAndCrop(padding: 4, size: size): "crop", .horizontalFlip(probability: 0.5): "flip",
            .randomResizedCrop(size: size, scale: 0.08...1, ratio: 3.0 / 4...4.0 / 3): "resized",
            .colorJitter(ColorJitter(brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.075)): "jitter",
        ]
        let steps = augmentation.steps.map { known[$0] ?? "\($0)" }
        #expect((steps + (augmentation.cutout == 16 ? ["cutout"] : [])).joined(separator: " ") == expected)
        #expect(augmentation.normalization == normalization)
    }

    @Test(arguments: [
        ("hetconv", "none"), ("acnet-cifar", "acnet"), ("acnet-imagenet", "imagenet"), ("ec2t-scale", "ec2t"),
        ("ec2t-scale-imagenet", "imagenet"), ("ec2t-mnist", "ec2t"),
    ])
    func pixelsAreNormalisedTheirWay(name: String, preset: String) throws {
        #expect(try recipe(name).normalization == preset)
    }

    @Test func imageNetsTestImages() throws {
        let (acnet, ec2t) = (try recipe("acnet-imagenet"), try recipe("ec2t-scale-imagenet"))
        #expect(acnet.inputSizing == InputSizing(filter: .bilinear, centerCropShare: 224.0 / 256))
        #expect(ec2t.inputSizing == InputSizing(filter: .bicubic, centerCropShare: 1))
    }
}
