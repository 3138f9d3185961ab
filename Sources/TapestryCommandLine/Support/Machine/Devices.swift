import Foundation
import TapestryData
import TapestryFormats

/// A GPU that the NVIDIA driver shows.
struct GraphicsProcessor: Encodable {
    let name: String

    /// Those in `/proc/driver/nvidia/gpus`, each a folder with a text file of facts.
    static var all: [GraphicsProcessor] {
        let root = "/proc/driver/nvidia/gpus"
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return folders.sorted().map { folder in
            let text = (try? String(contentsOfFile: "\(root)/\(folder)/information", encoding: .utf8)) ?? ""
            let model = text.split(separator: "\n").first { $0.hasPrefix("Model:") }?.dropFirst("Model:".count)
            return GraphicsProcessor(name: model.map { $0.trimmingCharacters(in: .whitespaces) } ?? folder)
        }
    }
}

/// What `--device cuda` needs.
package enum CUDA {
    /// What is not there of it, and how to get it; nil where nothing is missing that can be seen.
    package static var missing: String? {
        var needs: [String] = []
        // Containers often have the device and not the driver's folder in /proc.
        let hasDriver = !GraphicsProcessor.all.isEmpty || FileManager.default.fileExists(atPath: "/dev/nvidiactl")
        if !hasDriver { needs.append("an NVIDIA GPU with its driver (nvidia-smi then shows it)") }
        if Libtorch.current?.hasCUDA != true {
            needs.append("a libtorch with CUDA (that of PyPI's own `pip install torch`, not a +cpu one)")
        }
        return needs.isEmpty ? nil : needs.joined(separator: ", and ")
    }
}

/// A data set that was found without being asked for.
struct FoundDataset: Encodable {
    let dataset: String
    let path: String

    static let fashionFolder = "/usr/share/datasets/fashion-mnist"

    /// Those at the places that Tapestry knows: `$TAPESTRY_CIFAR`, and where Debian's packages install.
    static var all: [FoundDataset] {
        let places = [ProcessInfo.processInfo.environment["TAPESTRY_CIFAR"], fashionFolder].compactMap { $0 }
        return places.compactMap { place in
            DatasetKind.detect(directory: place, split: .train).map { FoundDataset(dataset: $0.rawValue, path: place) }
        }
    }
}
