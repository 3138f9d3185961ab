import Foundation
import TapestryCUDA

/// The parts that computing on GPUs is made of, each as it was found on this machine.
struct CUDAParts: Encodable {
    /// What was found, or why it was not.
    struct Part: Encodable {
        let name: String
        let found: String?
        let reason: String?
        /// What it is for, and how to get it.
        let remedy: String
    }

    let driver: Part
    let libtorch: Part
    let compiler: Part
    let collectives: Part

    var all: [Part] { [driver, libtorch, compiler, collectives] }

    static var current: CUDAParts {
        CUDAParts(driver: foundDriver, libtorch: foundLibtorch, compiler: foundCompiler, collectives: foundCollectives)
    }

    private static var foundDriver: Part {
        part("driver", remedy: "NVIDIA's driver comes with nvidia-smi; a container needs --gpus all") {
            () throws(CUDAError) in
            let driver = try CUDADriver()
            let devices = try driver.devices().map { (device: CUDADriver.Device) in
                "\(device.name) \(device.architecture)"
            }
            return "CUDA \(driver.version): \(devices.isEmpty ? "no device" : devices.joined(separator: ", "))"
        }
    }

    private static var foundLibtorch: Part {
        let remedy = "a libtorch with CUDA is that of PyPI's own `pip install torch`, not a +cpu one"
        guard let libtorch = Libtorch.current else {
            return Part(name: "libtorch", found: nil, reason: "none in this build", remedy: remedy)
        }
        return Part(
            name: "libtorch", found: libtorch.hasCUDA ? "\(libtorch.version) with CUDA" : nil,
            reason: libtorch.hasCUDA ? nil : "\(libtorch.version) has no libtorch_cuda.so", remedy: remedy)
    }

    private static var foundCompiler: Part {
        part(
            "NVRTC",
            remedy: "`pip install nvidia-cuda-nvrtc` beside libtorch, or TAPESTRY_NVRTC names libnvrtc.so;"
                + " without it convolutions on GPUs are cuDNN's alone"
        ) { () throws(CUDAError) in
            let compiler = try KernelCompiler(
                oneOf: KernelCompiler.candidates(libtorch: torchFolder, environment: environment))
            return "\(compiler.version) in \(compiler.library)"
        }
    }

    /// Several GPUs talk to each other through it, and Tapestry to it through a library of its own.
    private static var foundCollectives: Part {
        let beside = torchFolder.map { "\($0)/../nvidia/nccl/lib/libnccl.so.2" }
        let found = ([beside].compactMap { $0 } + ["libnccl.so.2"]).first { name in
            guard let handle = dlopen(name, RTLD_NOW | RTLD_LOCAL) else { return false }
            dlclose(handle)
            return true
        }
        var reason = found == nil ? "no libnccl.so.2" : nil
        if reason == nil, let library = Libtorch.current?.ncclLibrary, !FileManager.default.fileExists(atPath: library)
        {
            reason = "no \(library)"
        }
        return Part(
            name: "NCCL", found: reason == nil ? found : nil, reason: reason,
            remedy: "it comes with PyPI's own `pip install torch`, for which `./dev build` then builds what reaches it;"
                + " one GPU does without")
    }

    private static var environment: [String: String] { ProcessInfo.processInfo.environment }

    /// The folder that holds libtorch's `lib`.
    private static var torchFolder: String? {
        Libtorch.current?.path.map { URL(filePath: $0).deletingLastPathComponent().path }
    }

    private static func part(_ name: String, remedy: String, _ look: () throws(CUDAError) -> String) -> Part {
        do throws(CUDAError) {
            return Part(name: name, found: try look(), reason: nil, remedy: remedy)
        } catch {
            return Part(name: name, found: nil, reason: error.reason, remedy: remedy)
        }
    }
}
