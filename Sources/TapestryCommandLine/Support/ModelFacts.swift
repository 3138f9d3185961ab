import TapestryCore
import TapestryData
import TapestryFormats
import TapestryRecipes

extension Model {
    /// What makes the model's inputs of a data set's images; see `inputPreparation`.
    func preprocessing(
        for dataset: any ImageDataset, of kind: DatasetKind, classifier: ImageClassifier, asked: String?, path: String
    ) throws -> Preprocessing {
        let input = try inputPreparation(asked: asked, kind: kind, path: path, channels: classifier.channels)!
        return Preprocessing(
            for: dataset, size: classifier.imageSize, channels: classifier.channels,
            normalization: input.normalization, sizing: input.sizing)
    }

    /// How images become the model's inputs: as `asked`, as the model's file at `path` says, as its network was
    /// published, or else as is usual for images of the kind; nil where there is none of these.
    ///
    /// Throws: `FormatError` where the file says what cannot be, `NormalizationError` where what is asked for cannot.
    func inputPreparation(
        asked: String?, kind: DatasetKind?, path: String, channels: Int
    ) throws -> (normalization: Normalization, sizing: InputSizing)? {
        let published = facts["architecture"].map { Recipes.recipe(ofArchitecture: $0).recipe }
        var normalization = try normalization(asked: asked, path: path, channels: channels)
        if normalization == nil, let usual = published?.normalization ?? kind?.normalizationName {
            normalization = try Normalization.preset(usual, channels: channels)
        }
        guard let normalization else { return nil }
        return (normalization, try inputSizing(path: path) ?? published?.inputSizing ?? InputSizing())
    }

    /// How the images of the model file at `path` are to be normalised: as `asked`, or as the file says; nil where
    /// neither does.
    ///
    /// Throws: `FormatError` where the file says what cannot be, `NormalizationError` where what is asked for cannot.
    private func normalization(asked: String?, path: String, channels: Int) throws -> Normalization? {
        if let asked { return try Normalization.preset(asked, channels: channels) }
        guard let recorded = facts["normalization"] else { return nil }
        do { return try Normalization.preset(recorded, channels: channels) } catch {
            throw FormatError(file: path, reason: "\(error); --normalize overrides what the file says")
        }
    }

    /// How images come to the network's size, by the facts of the model file at `path`; nil where it does not say.
    ///
    /// Throws: `FormatError` where the file says what cannot be.
    private func inputSizing(path: String) throws -> InputSizing? {
        do { return try InputSizing(facts: facts) } catch { throw FormatError(file: path, reason: error.reason) }
    }

    /// A name for each of so many classes, by the facts of the model file at `path`; "class 3" for one without.
    ///
    /// Throws: `FormatError` where the file names more.
    func classNames(count: Int, path: String) throws -> [String] {
        let names = try NameList.classNames.read(facts, path: path) ?? []
        guard names.count <= count else {
            throw FormatError(
                file: path,
                reason: "its metadata \"\(NameList.classNames.key)\" names \(names.count) classes, of \(count)")
        }
        return (0..<count).map { $0 < names.count ? names[$0] : "class \($0)" }
    }
}
