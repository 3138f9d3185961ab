import ArgumentParser
import Foundation
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes

extension DatasetKind: ExpressibleByArgument {}

/// `--data` and `--dataset`, and how much of it.
package struct DataArguments: ParsableArguments {
    @Option(help: ArgumentHelp("The folder of the images.", valueName: "dir"), completion: .directory)
    package var data: String?

    @Option(help: "Which data set it is; by default what its files show.")
    package var dataset: DatasetKind?

    @Option(help: "Test on the first so many images only.", transform: Positive.imageCount)
    package var limitTest: Int?

    @Option(
        help: ArgumentHelp(
            "Do without so many images of a folder that cannot be read, each named; by default"
                + " \(UnreadableImages.defaultLimit). One more is an error.", valueName: "n"),
        transform: Whole.number)
    package var limitUnreadable: Int?

    package init() {}

    /// The test images that the options name.
    ///
    /// Throws: `CommandFailure` without --data; what opening the data set throws.
    func testImages() throws -> TestImages {
        guard let data else { throw CommandFailure.missingData }
        let (kind, dataset) = try DatasetKind.open(dataset, directory: data, split: .test)
        return TestImages(
            kind: kind, dataset: limitTest.map { DatasetSubset(dataset, first: $0) } ?? dataset,
            unreadableLimit: limitUnreadable ?? UnreadableImages.defaultLimit)
    }

    /// A path as a run's record keeps it, which another working directory does not change.
    package static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
    }
}

/// The test images of a data set.
struct TestImages {
    let kind: DatasetKind
    let dataset: any ImageDataset
    let unreadableLimit: Int

    /// What a network for them needs to be.
    var networkOptions: NetworkOptions { kind.networkOptions(of: dataset) }
}

/// `--normalize`.
struct NormalizationArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How pixels are normalised: by a system's recipe, or none; by default as the model was trained or published.",
            valueName: Normalization.presetNames.joined(separator: "|")),
        completion: .list(Normalization.presetNames), transform: Self.preset)
    var normalize: String?

    private static func preset(_ name: String) throws -> String {
        guard Normalization.presetNames.contains(name) else {
            throw ValidationError("expected one of \(Normalization.presetNames.joined(separator: ", "))")
        }
        return name
    }
}

extension CommandFailure {
    package static let missingData = CommandFailure(.usage, "--data is missing; it names the folder of the images")
}

/// `--device`, `--precision` and `--threads`.
package struct ComputingArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where to compute; by default cpu.", valueName: "cpu|cuda[:i]"),
        completion: .list(Device.allValueStrings))
    package var device: Device?

    @Option(help: "What to compute in, by default fp32, on GPUs also tf32; files keep weights in 32 bits.")
    package var precision: RunConfiguration.Precision?

    @OptionGroup package var threads: ThreadArguments

    package init() {}

    package func validate() throws { try precision?.check(on: device) }
}
