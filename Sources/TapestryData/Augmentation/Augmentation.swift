import TapestryFormats

/// A step that is the same every time, as evaluation needs.
public enum PreprocessingStep: Hashable, Sendable {
    /// The shorter side becomes so long, the longer in proportion.
    case resize(shorterSide: Int, filter: ResamplingFilter = .bilinear)
    /// The image becomes that size, whatever its proportions.
    case resizeTo(ImageSize, filter: ResamplingFilter = .bilinear)
    /// The middle of the image, with zeros around it where it is smaller.
    case centerCrop(ImageSize)
    /// Grey repeated to RGB (3), or RGB reduced to its luma (1).
    case channels(Int)
}

/// A step that draws from the sample's random stream, or one of preprocessing.
public enum AugmentationStep: Hashable, Sendable {
    case preprocessing(PreprocessingStep)
    /// Pads by zeros on each side, then takes a part of that size, all places being equally likely.
    case padAndCrop(padding: Int, size: ImageSize)
    case horizontalFlip(probability: Double = 0.5)
    /// A part of random area and proportions, resized to that size.
    case randomResizedCrop(
        size: ImageSize, scale: ClosedRange<Double> = 0.08...1, ratio: ClosedRange<Double> = 3.0 / 4...4.0 / 3,
        filter: ResamplingFilter = .bilinear)
    case colorJitter(ColorJitter)
}

/// What happens to an image before it is evaluated: steps in order, then the normalisation.
public struct Preprocessing: Equatable, Sendable {
    public var steps: [PreprocessingStep]
    public var normalization: Normalization

    public init(_ steps: [PreprocessingStep] = [], normalization: Normalization) {
        self.steps = steps
        self.normalization = normalization
    }
}

/// What happens to an image before it is trained on: steps in order, then the normalisation, then the cutout.
public struct Augmentation: Equatable, Sendable {
    public var steps: [AugmentationStep]
    public var normalization: Normalization
    /// The side of a square of zeros, clipped at the border, around a centre uniform over the image; nil for none.
    ///
    /// Source: T. DeVries and G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    public var cutout: Int?

    public init(_ steps: [AugmentationStep] = [], normalization: Normalization, cutout: Int? = nil) {
        self.steps = steps
        self.normalization = normalization
        self.cutout = cutout
    }

    /// The augmentation that does what `preprocessing` does and nothing random.
    public init(_ preprocessing: Preprocessing) {
        self.init(preprocessing.steps.map(AugmentationStep.preprocessing), normalization: preprocessing.normalization)
    }
}
