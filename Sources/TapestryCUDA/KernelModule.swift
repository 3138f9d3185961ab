import CTapestryCUDA

/// A variant's kernels on a device.
///
/// `@unchecked Sendable`: launching them is safe from any thread.
public final class KernelModule: @unchecked Sendable {
    public let variant: KernelVariant
    package let handle: OpaquePointer

    /// Loads machine code. Throws where the device refuses it.
    public init(
        _ binary: [UInt8], of variant: KernelVariant, on device: Int, driver: CUDADriver
    ) throws(CUDAError) {
        self.variant = variant
        handle = try told(.kernel) { tcu_module_load(driver.handle, Int32(device), binary, variant.code, $0, $1) }
    }

    deinit { tcu_module_free(handle) }
}
