import TapestryCore
import TapestryFormats

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
    /// images of one size are resized; of others the middle is taken, as `sizing` says.
    public init(
        for dataset: any ImageDataset, size: Int, channels: Int, normalization: Normalization,
        sizing: InputSizing = InputSizing()
    ) {
        var steps = sizing.steps(for: dataset, size: size)
        if dataset.channels != channels { steps.append(.channels(channels)) }
        self.init(steps, normalization: normalization)
    }

    /// What makes a `size` x `size` input of `channels` channels of an RGB image of any size, for a network that was
    /// trained on images of a kind: a folder's as above; others are seen whole, so that of an image that is not square
    /// the sides' ends, and no more, are left out. A square image then becomes what it becomes in a data set.
    public init(
        forImageOf image: ImageSize, like kind: DatasetKind?, size: Int, channels: Int, normalization: Normalization,
        sizing: InputSizing = InputSizing()
    ) {
        let target = ImageSize(height: size, width: size)
        var steps: [PreprocessingStep] = []
        if kind == .folder {
            steps += sizing.middle(target)
        } else if image != target {
            steps += [.resize(shorterSide: size, filter: sizing.filter), .centerCrop(target)]
        }
        if channels != 3 { steps.append(.channels(channels)) }
        self.init(steps, normalization: normalization)
    }

    /// The input that an image becomes: C x H x W, normalised.
    ///
    /// Throws: `DataError` where the image does not suit.
    public func callAsFunction(_ image: PixelImage) throws(DataError) -> Tensor<Float> {
        let transform = try SampleTransform(
            Augmentation(self), input: ImageSize(height: image.height, width: image.width), channels: image.channels)
        // Nothing is random in preprocessing.
        var random = RandomStream(seed: 0, purpose: .augmentation)
        var failure: DataError?
        let values = [Float](unsafeUninitializedCapacity: transform.elementCount) { buffer, count in
            buffer.initialize(repeating: 0)
            count = buffer.count
            guard let output = buffer.baseAddress else { return }
            image.withView { view in
                do throws(DataError) { try transform.apply(to: view, using: &random, output: output) } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        return Batch(
            images: values, count: 1, height: transform.size.height, width: transform.size.width,
            channels: transform.channels, labels: [], unreadable: [], firstIndex: 0
        ).image(at: 0)
    }
}
