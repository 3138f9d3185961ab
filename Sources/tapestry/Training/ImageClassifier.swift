#if TAPESTRY_TORCH
import TapestryCore
import TapestryData

/// What a network must be to be trained and evaluated: one that takes square images and tells classes apart.
struct ImageClassifier {
    let classes: Int
    let imageSize: Int
    let channels: Int

    /// Throws: `CommandFailure` where `network` is none, or one for fewer classes than `dataset` has; with the code for
    /// options or for a file, by where the network comes from.
    init(_ network: Network, for dataset: any ImageDataset) throws {
        let status: ExitStatus = network.isFromFile ? .badData : .usage
        func failure(_ reason: String) -> CommandFailure { CommandFailure(status, "\(network.title): \(reason)") }
        let input = network.graph.inputShape
        let classes: Int
        do { classes = try network.graph.classCount() } catch { throw failure("tells no classes apart: \(error)") }
        guard input[1] == input[2] else { throw failure("takes images of \(input), which are not square") }
        guard [1, 3].contains(input[0]) else {
            throw failure("takes images of \(input[0]) channels; images can have 1 (grey) or 3 (RGB)")
        }
        guard dataset.classNames.count <= classes else {
            throw failure(
                "tells \(classes) classes apart, the data set has \(dataset.classNames.count)"
                    + (network.isFromFile ? "" : "; leave out --classes or raise it"))
        }
        self.classes = classes
        imageSize = input[1]
        channels = input[0]
    }
}
#endif
