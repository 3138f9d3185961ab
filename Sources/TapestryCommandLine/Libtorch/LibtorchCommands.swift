import TapestryCore
import TapestryRecipes
import TapestryRuntime

/// All that commands need libtorch for. The program that links libtorch gives this to `Tapestry.main(with:)`.
package protocol LibtorchCommands: Sendable {
    /// The libtorch of this process.
    var library: Libtorch { get }

    func train(_ command: Train) throws
    func explain(_ command: Train) throws
    func scale(_ command: Scale) throws
    func quantize(_ command: Quantize) throws
    func retrain(_ command: Retrain) throws
    func demonstrate(_ command: Demo) throws
    func soak(_ command: Soak) throws

    /// Makes libtorch ready, before anything else of it is used.
    ///
    /// Throws: where `device` is not there, or the library is not the one of the build.
    func start(threads: Int, device: Device, deterministic: Bool) throws

    /// A network that libtorch runs.
    func prepare(
        _ model: Model, precision: RunConfiguration.Precision, device: Device
    ) throws -> any PreparedNetwork

    /// Measures a network on a GPU, by its own clock.
    func bench(
        _ subject: BenchSubject, batches: [Int], precision: RunConfiguration.Precision, on device: Device
    ) throws -> [DeviceBench.Row]

    /// What an error of training or of libtorch means; nil for any other.
    func failure(of error: any Error) -> CommandFailure?
}
