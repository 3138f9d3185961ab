import TapestryCore
import TapestryData
import TapestryMethods

/// What a network must be to be trained, evaluated and asked: one that takes square images and tells classes apart.
package struct ImageClassifier {
    package let classes: Int
    package let imageSize: Int
    package let channels: Int

    /// Throws: `CommandFailure` where `network` is none; with the code for options or for a file, by where the network
    /// comes from.
    package init(_ network: Network) throws {
        let input = network.graph.inputShape
        let classes: Int
        do { classes = try network.graph.classCount() } catch {
            throw network.failure("tells no classes apart: \(error)")
        }
        guard input[1] == input[2] else { throw network.failure("takes images of \(input), which are not square") }
        guard [1, 3].contains(input[0]) else {
            throw network.failure("takes images of \(input[0]) channels; images can have 1 (grey) or 3 (RGB)")
        }
        self.classes = classes
        imageSize = input[1]
        channels = input[0]
    }

    /// Throws: as above, and where the network is for fewer classes than `dataset` has.
    package init(_ network: Network, for dataset: any ImageDataset) throws {
        try self.init(network)
        guard dataset.classNames.count <= classes else {
            throw network.failure(
                "tells \(classes) classes apart, the data set has \(dataset.classNames.count)"
                    + (network.isFromFile ? "" : "; leave out --classes or raise it"))
        }
    }
}

extension Network {
    fileprivate func failure(_ reason: String) -> CommandFailure {
        CommandFailure(isFromFile ? .badData : .usage, "\(title): \(reason)")
    }
}

extension DatasetKind {
    /// What a network for the data set needs to be.
    package func networkOptions(of dataset: any ImageDataset) -> NetworkOptions {
        NetworkOptions(
            classes: classCount ?? dataset.classNames.count, imageSize: imageSize, channels: channels)
    }
}
