extension DatasetKind {
    /// The normalisation of images of this kind where nothing else is asked for.
    public var normalizationName: String {
        switch self {
        case .cifar10, .cifar100: "ask"
        case .fashionMNIST: "fashion-mnist"
        case .mnist: "ec2t"
        case .folder: "imagenet"
        }
    }
}

extension Preprocessing {
    /// What makes `size` x `size` inputs of `channels` channels of a data set's images: nothing where they are so;
    /// images of one size are resized; of others the middle 7/8 are taken, as ImageNet's are (Resize(256) and
    /// CenterCrop(224)).
    public init(for dataset: any ImageDataset, size: Int, channels: Int, normalization: Normalization) {
        let target = ImageSize(height: size, width: size)
        var steps: [PreprocessingStep] = []
        if dataset.uniformSize == nil {
            steps += [.resize(shorterSide: (size * 8 + 6) / 7), .centerCrop(target)]
        } else if dataset.uniformSize != target {
            steps.append(.resizeTo(target))
        }
        if dataset.channels != channels { steps.append(.channels(channels)) }
        self.init(steps, normalization: normalization)
    }
}
