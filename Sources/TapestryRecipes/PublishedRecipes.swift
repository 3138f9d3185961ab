import TapestryData

// The recipes of the five published systems, as their training programs have them. Each is `ask`, which is `Recipe()`,
// but for what its closure says.

extension Recipes {
    /// ASK: SGD 0.1, momentum 0.9, weight decay 1e-4 on every parameter; batch 64; 160 epochs, x0.1 from 80 and 120.
    /// Padded crop, then flip. Seed 1.
    ///
    /// Source: "ASKs: Convolution with any-shape kernels for efficient neural networks" and its training program, which
    /// tests with batches of 64 where this one takes 256.
    public static let ask = NamedRecipe(
        "ask", for: ["ask/*"], "SGD 0.1, x0.1 at 1/2 and 3/4 of 160 epochs, batch 64; crop, flip", Recipe())

    /// HetConv: SGD 0.1, momentum 0.9, weight decay 5e-4; batch 128; 330 epochs, x0.2 from 50, 140, 210, 240, 270 and
    /// 300. Flip, then padded crop; pixels/255 and no normalisation. The untrained network is the first to beat.
    ///
    /// Source: "HetConv: Heterogeneous kernel-based convolutions for deep CNNs" and its training program.
    public static let hetconv = NamedRecipe(
        "hetconv", for: ["hetconv/*"], "SGD 0.1, x0.2 six times in 330 epochs, batch 128; flip, crop, pixels/255",
        changed {
            $0.epochs = 330
            $0.batchSize = 128
            $0.weightDecay = 5e-4
            $0.milestones = [50, 140, 210, 240, 270, 300].map { $0 / 330 }
            $0.decayFactor = 0.2
            $0.flipFirst = true
            $0.normalization = "none"
            $0.testBeforeTraining = true
        })

    /// Shift: SGD 0.1, momentum 0.9, weight decay 5e-4; batch 128; 164 epochs, x0.1 from 82 and 123. Each epoch makes a
    /// new optimiser, so momentum starts from zero. Padded crop, then flip; ASK's normalisation.
    ///
    /// Source: "Shift: A zero FLOP, zero parameter alternative to spatial convolutions" and its training program.
    public static let shift = NamedRecipe(
        "shift", for: ["shift/*"], "SGD 0.1, x0.1 at 1/2 and 3/4 of 164 epochs, batch 128, momentum anew each epoch",
        changed {
            $0.epochs = 164
            $0.batchSize = 128
            $0.testBatchSize = 1000
            $0.weightDecay = 5e-4
            $0.milestones = [82.0 / 164, 123.0 / 164]
            $0.resetOptimizer = true
        })

    static func changed(from base: NamedRecipe = ask, _ change: (inout Recipe) -> Void) -> Recipe {
        var recipe = base.recipe
        change(&recipe)
        return recipe
    }
}

// MARK: - ACNet

extension Recipes {
    /// ACNet on CIFAR: SGD 0.1, momentum 0.9, weight decay 1e-4 but none where a name contains `depth`, twice the rate for
    /// every `bias`; batch 128; a cosine to 0 over 400 epochs, moving with each step, an epoch being
    /// examples // batch steps. Padded crop, flip; mean and deviation 0.5. Tested before training, every 5 epochs and in
    /// the last 10.
    ///
    /// Source: "ACNet: Strengthening the kernel skeletons for powerful CNN via asymmetric convolution blocks" and its
    /// training program, for VGG-16. For ResNet-110 and LeNet-5 nothing was published.
    public static let acnetCIFAR = NamedRecipe(
        "acnet-cifar", for: ["acnet/*"],
        "SGD 0.1, cosine over 400 epochs by steps, batch 128, biases at twice the rate",
        changed(from: acnetImageNet) {
            $0.epochs = 400
            $0.batchSize = 128
            $0.dropLast = false
            $0.randomResizedCrop = false
            $0.normalization = "acnet"
        })

    /// `acnet-cifar` for Cifar-quick: 150 epochs.
    public static let acnetCIFARQuick = NamedRecipe(
        "acnet-cifar-quick", for: ["acnet/cifar-quick"], "acnet-cifar with 150 epochs",
        changed(from: acnetCIFAR) { $0.epochs = 150 })

    /// `acnet-cifar` for ResNet-56: learning rate 0.2.
    public static let acnetResNet56 = NamedRecipe(
        "acnet-cifar-resnet56", for: ["acnet/resnet56"], "acnet-cifar with SGD 0.2",
        changed(from: acnetCIFAR) { $0.learningRate = 0.2 })

    /// `acnet-cifar` for WRN-16-8: weight decay 5e-4.
    public static let acnetWRN = NamedRecipe(
        "acnet-cifar-wrn", for: ["acnet/wrn*"], "acnet-cifar with weight decay 5e-4",
        changed(from: acnetCIFAR) { $0.weightDecay = 5e-4 })

    /// ACNet on ImageNet: as `acnet-cifar`, but batch 256 (over 8 GPUs), the last, smaller one left out, and 100 epochs.
    /// RandomResizedCrop and flip; test Resize(256) and CenterCrop(224); ImageNet's normalisation.
    ///
    /// Source: as of `acnet-cifar`, for ResNet-18, 34 and 50. For MobileNet nothing was published.
    public static let acnetImageNet = NamedRecipe(
        "acnet-imagenet", for: ["acnet/resnet18", "acnet/resnet34", "acnet/resnet50", "acnet/mobilenet*"],
        "SGD 0.1, cosine over 100 epochs by steps, batch 256, biases at twice the rate; resized crops",
        changed {
            $0.epochs = 100
            $0.batchSize = 256
            $0.dropLast = true
            $0.epochSteps = .wholeBatches
            $0.testBatchSize = 100
            $0.testEvery = 5
            $0.testLast = 10
            $0.testBeforeTraining = true
            $0.noWeightDecay = ["depth"]
            $0.biasLearningRateFactor = 2
            $0.schedule = .cosine
            $0.scheduleUnit = .step
            $0.randomResizedCrop = true
            $0.normalization = "imagenet"
        })
}

// MARK: - EC2T

extension Recipes {
    private static let ec2tSeed: UInt64 = 363_636

    /// EC2T's compound scaling on CIFAR: Nesterov's SGD 0.1, momentum 0.9, weight decay 5e-4; batch 256; a cosine to 0
    /// over 200 epochs, moving with each epoch. Flip, padded crop, colour jitter, normalisation, then a hole of 16x16
    /// zeros. Seed 363636.
    ///
    /// Source: "Learning sparse and ternary neural networks with entropy-constrained trained ternarization (EC2T)" and its
    /// program for compound scaling. Its example has batches of 128 and 250 epochs.
    public static let ec2tScale = NamedRecipe(
        "ec2t-scale", for: ["ec2t/*"], seed: ec2tSeed,
        "Nesterov 0.1, cosine over 200 epochs, batch 256; flip, crop, jitter, cutout",
        changed {
            $0.epochs = 200
            $0.batchSize = 256
            $0.testBatchSize = 512
            $0.weightDecay = 5e-4
            $0.nesterov = true
            $0.schedule = .cosine
            $0.flipFirst = true
            $0.colorJitter = [0.3, 0.3, 0.3, 0.075]
            $0.cutout = 16
            $0.normalization = "ec2t"
        })

    /// `ec2t-scale` on ImageNet: RandomResizedCrop and flip; test Resize and CenterCrop to the network's size, bicubic;
    /// ImageNet's normalisation.
    public static let ec2tScaleImageNet = NamedRecipe(
        "ec2t-scale-imagenet",
        for: ["ec2t/micronet-imagenet", "ec2t/resnet18", "ec2t/resnet34", "ec2t/resnet50", "ec2t/efficientnet*"],
        seed: ec2tSeed, "as ec2t-scale; resized crops, flip; bicubic test images",
        changed(from: ec2tScale) {
            $0.randomResizedCrop = true
            $0.flipFirst = false
            $0.colorJitter = []
            $0.cutout = 0
            $0.normalization = "imagenet"
            $0.resizeFilter = .bicubic
            $0.centerCropShare = 1
        })

    /// `ec2t-scale` on MNIST: images as they are.
    public static let ec2tMNIST = NamedRecipe(
        "ec2t-mnist", for: ["ec2t/lenet*"], seed: ec2tSeed, "as ec2t-scale; images as they are",
        changed(from: ec2tScale) {
            $0.cropPadding = 0
            $0.flipProbability = 0
            $0.colorJitter = []
            $0.cutout = 0
        })

    /// EC2T's ternarization: Adam 1e-4 with weight decay 5e-6 for what is not quantised, batch 256, rates constant; the
    /// images as in its scaling. The program trains 20 epochs, and 15 more with the assignment fixed.
    public static let ec2tQuantize = NamedRecipe(
        "ec2t-quantize", seed: ec2tSeed, "Adam 1e-4, constant, batch 256; images as in ec2t-scale",
        quantizing(ec2tScale.recipe))

    /// The recipe by which a network is quantised: `ec2t-quantize` with the images of the network's own recipe. ImageNet
    /// test images of other networks than EfficientNets are Resize(256), CenterCrop(224).
    public static func quantization(ofArchitecture name: String) -> NamedRecipe {
        let own = recipe(ofArchitecture: name)
        var recipe = quantizing(own.recipe)
        if own.name == ec2tScaleImageNet.name, !name.hasPrefix("ec2t/efficientnet") {
            recipe.resizeFilter = .bilinear
            recipe.centerCropShare = 0.875
        }
        return NamedRecipe(ec2tQuantize.name, seed: ec2tSeed, ec2tQuantize.summary, recipe)
    }

    /// The optimiser and the batches of the quantisation, and the images of another recipe.
    private static func quantizing(_ base: Recipe) -> Recipe {
        var recipe = Recipe()
        recipe.epochs = 20
        recipe.batchSize = 256
        recipe.testBatchSize = 512
        recipe.optimizer = .adam
        recipe.learningRate = 1e-4
        recipe.weightDecay = 5e-6
        recipe.schedule = .constant
        recipe.cropPadding = base.cropPadding
        recipe.randomResizedCrop = base.randomResizedCrop
        recipe.flipProbability = base.flipProbability
        recipe.flipFirst = base.flipFirst
        recipe.colorJitter = base.colorJitter
        recipe.cutout = base.cutout
        recipe.normalization = base.normalization
        recipe.resizeFilter = base.resizeFilter
        recipe.centerCropShare = base.centerCropShare
        return recipe
    }
}
