import TapestryCore
import TapestryRecipes
import TapestryRuntime

/// What runs networks, and in what precision.
enum Engine: Equatable {
    /// Tapestry's own kernels, on the processor; networks are deployed first.
    case native(NativePrecision)
    /// The interpreter in double precision that says what every operation means.
    case reference
    /// libtorch.
    case torch(RunConfiguration.Precision, Device)

    /// Makes a model ready to run, for `batch` images at a time, the number for which it is fastest.
    ///
    /// Throws: `CommandFailure` where the weights of the model at `path` are not finite; what the engine throws.
    func prepare(_ model: Model, path: String, batch: Int = 1, threads: Int) throws -> any PreparedNetwork {
        switch self {
        case .native(let precision):
            try NativePrepared(model, path: path, batch: batch, threads: threads, precision: precision)
        case .reference: try ReferencePrepared(model, threads: threads)
        case .torch(let precision, let device):
            try Libtorch.commands(for: "--engine torch").prepare(model, precision: precision, device: device)
        }
    }
}

/// As --engine reads it, but for the device.
extension Engine: CustomStringConvertible {
    var description: String {
        switch self {
        case .native(let precision): "native:\(precision.rawValue)"
        case .reference: "reference"
        case .torch(let precision, let device):
            "torch:\(precision.rawValue)\(device.isProcessor ? "" : " on \(device)")"
        }
    }
}
