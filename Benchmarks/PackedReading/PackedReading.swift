import ArgumentParser
import Foundation
import TapestryCore
import TapestryFormats

/// Times reading packed weights, on one thread: the whole way from the file to checked 32-bit floating-point numbers.
///
/// The weights are 64 layers of 256 x 128 x 3 x 3, ternary. Those that are not like the one before are drawn independently,
/// which is the hardest for a coder, since nothing can be foreseen. Output: a line of JSON for each form, with the megabytes
/// of unpacked weights a second.
@main
struct PackedReading: ParsableCommand {
    @Option(help: "The share of zeros.") var zeros = 0.64
    @Option(help: "The share of weights that repeat the one before; from some 0.1 on, neighbours are looked at.")
    var alike = 0.0
    @Option(help: "How often each file is read; the fastest counts.") var repetitions = 5

    func run() throws {
        let shape: Shape = [256, 128, 3, 3]
        var random = RandomStream(seed: 1, purpose: .test)
        let tensors = (0..<64).map { layer in
            var last: Float = 0
            let elements = (0..<shape.count).map { _ -> Float in
                if random.uniform() >= alike {
                    last = random.uniform() < zeros ? 0 : random.uniform() < 0.5 ? -0.25 : 0.5
                }
                return last
            }
            return NamedTensor(name: "\(layer).weight", tensor: .float32(Tensor(shape: shape, elements: elements)))
        }
        let unpacked = SafetensorsFile(tensors: tensors)
        try time(unpacked, "none")
        for packing in Packing.allCases { try time(unpacked.packed(packing).file, packing.rawValue) }
    }

    private func time(_ file: SafetensorsFile, _ name: String) throws {
        let path = FileManager.default.temporaryDirectory.appending(component: "packed-\(getpid()).safetensors").path()
        try file.write(to: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        var (fastest, weights) = (Double.infinity, 0)
        for _ in 0..<repetitions {
            let start = ContinuousClock.now
            let read = try SafetensorsFile.read(path)
            fastest = min(fastest, (ContinuousClock.now - start) / .seconds(1))
            weights = read.tensors.reduce(0) { $0 + $1.tensor.shape.count }
        }
        let speed = Double(4 * weights) / fastest / 1e6
        print(
            "{\"packing\": \"\(name)\", \"weights\": \(weights), \"file_bytes\": \(size), \"seconds\": \(fastest), "
                + "\"megabytes_per_second\": \(speed.rounded())}")
    }
}
