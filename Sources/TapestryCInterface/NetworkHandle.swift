import Glibc
import TapestryInference

/// What a `tapestry_network` points to: a network, and what a C program asks about it.
final class NetworkHandle {
    let network: NativeNetwork
    /// How images become inputs; an error where the file does not say so.
    let normalization: Result<Normalization, any Error>
    /// C's strings, which stay where they are as long as the handle lives.
    let classNames: [UnsafeMutablePointer<CChar>]

    /// Throws: as `NativeNetwork(contentsOf:)`.
    init(path: String, batch: Int, threads: Int, precision: NativePrecision) throws {
        let model = try ModelFile.read(path)
        network = try NativeNetwork(model, from: path, batch: batch, threads: threads, precision: precision)
        let channels = network.inputShape[0]
        normalization = Result {
            guard let name = model.facts["normalization"] else {
                throw FormatError(file: path, reason: "does not say how its images were normalised")
            }
            return try Normalization.preset(name, channels: channels)
        }
        classNames = (try NameList.classNames.read(model.facts, path: path) ?? []).compactMap { strdup($0) }
    }

    deinit { for name in classNames { free(name) } }
}
