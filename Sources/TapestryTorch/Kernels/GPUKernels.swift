import TapestryCUDA
import TapestryCore

/// The kernels of one GPU: compiled when they are first asked for, and kept.
package final class GPUKernels {
    let device: CUDADriver.Device
    let index: Int
    let store: KernelStore
    private let driver: CUDADriver
    private let compiler: KernelCompiler
    private var modules: [KernelVariant: KernelModule] = [:]

    /// Throws `CUDAError` where the driver or the compiler is missing, or the GPU is older than the kernels.
    package init(device index: Int) throws(CUDAError) {
        let environment = KernelStore.environment
        driver = try CUDADriver()
        let devices = try driver.devices()
        guard devices.indices.contains(index) else { throw CUDAError(.driver, "no device \(index)") }
        device = devices[index]
        guard device.architecture.isSupported else {
            throw CUDAError(.kernel, "\(device.name) is \(device.architecture), older than \(GPUArchitecture.oldest)")
        }
        self.index = index
        compiler = try KernelCompiler(
            oneOf: KernelCompiler.candidates(libtorch: TorchRuntime.folder, environment: environment))
        store = KernelStore(folder: KernelStore.folder(environment: environment))
    }

    /// What decides which way of computing is fastest, beside the convolution.
    var description: String { "\(device.name) \(device.architecture) \(device.processors) NVRTC \(compiler.version)" }

    package func module(of variant: KernelVariant) throws(CUDAError) -> KernelModule {
        if let known = modules[variant] { return known }
        let binary = try store.binary(of: variant, for: device.architecture, compiler: compiler)
        let module = try KernelModule(binary, of: variant, on: index, driver: driver)
        modules[variant] = module
        return module
    }
}
