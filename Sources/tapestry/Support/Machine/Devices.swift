import Foundation
import TapestryData
import TapestryFormats

#if TAPESTRY_TORCH
import TapestryTorch
#endif

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
enum CUDA {
    /// What is not there of it, and how to get it; nil where nothing is missing that can be seen.
    static var missing: String? {
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

/// The libtorch that this build was made with, if any.
struct Libtorch: Encodable {
    let version: String
    /// The version found at run time, where it differs: a reason to build again.
    let mismatch: String?
    let path: String?
    /// Whether it can compute on GPUs.
    let hasCUDA: Bool

    static var current: Libtorch? {
        #if TAPESTRY_TORCH
        let versions = LibtorchVersions.ofThisProcess
        var mismatch: String?
        do { try versions.verify() } catch { mismatch = error.message }
        let path = loadedPath
        let hasCUDA = path.map { FileManager.default.fileExists(atPath: "\($0)/libtorch_cuda.so") } ?? false
        return Libtorch(version: versions.loaded, mismatch: mismatch, path: path, hasCUDA: hasCUDA)
        #else
        return nil
        #endif
    }

    #if TAPESTRY_TORCH
    /// The folder of the library that this process has mapped.
    private static var loadedPath: String? {
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        return maps.split(separator: "\n").first { $0.contains("/libtorch_cpu.so") }
            .flatMap { line in line.firstIndex(of: "/").map { line[$0...] } }
            .map { URL(fileURLWithPath: String($0)).deletingLastPathComponent().path }
    }
    #endif
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
