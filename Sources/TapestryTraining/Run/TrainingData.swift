import TapestryData
import TapestryFormats
import TapestryRecipes

/// The two splits of a run's data set, and what becomes of their images.
public struct TrainingData: Sendable {
    public let training: any ImageDataset
    public let test: any ImageDataset
    public let augmentation: Augmentation
    public let preprocessing: Preprocessing

    /// Throws `InputNotFound` and `FormatError` from the files, `DataError` and `RunError` where they do not suit.
    public init(_ configuration: RunConfiguration) throws {
        func open(_ split: Split, limit: Int?) throws -> any ImageDataset {
            let opened = try DatasetKind.open(configuration.dataset, directory: configuration.data, split: split)
            return limit.map { DatasetSubset(opened.dataset, first: $0) } ?? opened.dataset
        }
        training = try open(.train, limit: configuration.trainingLimit)
        test = try open(.test, limit: configuration.testLimit)
        guard training.count > 0, test.count > 0 else {
            throw RunError.unsuitable("\(configuration.data): there is nothing to train on or nothing to test on")
        }
        guard training.classNames == test.classNames else {
            throw RunError.unsuitable(
                "\(configuration.data): the classes to train on and those to test on are not the same")
        }
        for dataset in [training, test] where dataset.classNames.count > configuration.classes {
            throw RunError.unsuitable(
                "\(configuration.data) has \(dataset.classNames.count) classes, more than the network's"
                    + " \(configuration.classes); leave out --classes or raise it")
        }
        let recipe = configuration.recipe
        let normalization = try Normalization.preset(
            recipe.normalization ?? configuration.dataset.normalizationName, channels: configuration.channels)
        preprocessing = Preprocessing(
            for: test, size: configuration.imageSize, channels: configuration.channels, normalization: normalization,
            sizing: recipe.inputSizing)
        augmentation = recipe.augmentation(
            for: training, size: configuration.imageSize, channels: configuration.channels, normalization: normalization
        )
    }
}
