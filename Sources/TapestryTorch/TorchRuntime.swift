import CTapestryMemory
import CTapestryTorch
import TapestryCore

/// The libtorch of this process: its version, threads, seed, determinism and devices.
public enum TorchRuntime {
    /// Makes libtorch ready; call it before any other use of it.
    ///
    /// Checks the versions, loads CUDA if `device` asks for it, sets the threads within an operator (and one between
    /// operators), and determinism. Precondition: `threads > 0`. Throws when the loaded libtorch is not the one that
    /// Tapestry was built with, and when the device is not there.
    public static func start(
        threads: Int, device: Device = .cpu, deterministic: Bool = true
    ) throws(TorchError) {
        precondition(threads > 0, "\(threads) threads")
        try LibtorchVersions.ofThisProcess.verify()
        if case .cuda(let index) = device {
            try check(tapestry_cuda_load(), "cuda")
            guard index < cudaDeviceCount else {
                throw TorchError(operation: "cuda", message: "no device \(index): there are \(cudaDeviceCount)")
            }
        }
        tapestry_keep_freed_memory()
        try setThreads(threads)
        if tapestry_interop_threads() != 1 { try check(tapestry_set_interop_threads(1), "set_num_interop_threads") }
        try setDeterministic(deterministic)
        try setAllowsTF32(false)
    }

    /// Whether float32 convolutions and products of matrices on GPUs may round their factors to TF32; not after
    /// `start`.
    public static var allowsTF32: Bool { tapestry_tf32() }

    public static func setAllowsTF32(_ allowed: Bool) throws(TorchError) {
        try check(tapestry_set_tf32(allowed), "set_allow_tf32")
    }

    /// The folder of the libtorch that the process has loaded, the one that holds its `lib`; nil if it cannot be told.
    public static var folder: String? {
        var folder: String?
        if let path = tapestry_library_path() {
            let parts = String(cString: path).split(separator: "/", omittingEmptySubsequences: false)
            folder = parts.dropLast(2).joined(separator: "/")
        }
        return folder
    }

    /// Threads within an operator.
    public static var threads: Int { Int(tapestry_threads()) }

    /// Precondition: `count > 0`.
    public static func setThreads(_ count: Int) throws(TorchError) {
        precondition(count > 0, "\(count) threads")
        try check(tapestry_set_threads(Int32(count)), "set_num_threads")
    }

    /// Whether the same inputs, seed and number of threads give the same bits.
    public static var isDeterministic: Bool { tapestry_deterministic() }

    /// Deterministic, an operator that has no such implementation throws.
    public static func setDeterministic(_ deterministic: Bool) throws(TorchError) {
        try check(tapestry_set_deterministic(deterministic), "use_deterministic_algorithms")
    }

    /// Seeds libtorch's own generators, on every device.
    public static func setSeed(_ seed: UInt64) throws(TorchError) { try check(tapestry_set_seed(seed), "manual_seed") }

    /// CUDA devices that can be used: 0 unless `start` was given one.
    public static var cudaDeviceCount: Int { Int(tapestry_cuda_device_count()) }

    /// Waits until the device has done all work given to it, as before a time is taken.
    public static func synchronize(_ device: Device) throws(TorchError) {
        guard case .cuda(let index) = device else { return }
        try check(tapestry_cuda_synchronize(Int32(index)), "synchronize")
    }
}

/// The libtorch that Tapestry was compiled with, and the one that the process found.
public struct LibtorchVersions: Equatable, Sendable {
    /// From the headers: "2.9.1".
    public let compiled: String
    /// From the loaded library; empty when it does not say.
    public let loaded: String

    public init(compiled: String, loaded: String) {
        self.compiled = compiled
        self.loaded = loaded
    }

    public static var ofThisProcess: LibtorchVersions {
        LibtorchVersions(
            compiled: String(cString: tapestry_version_compiled()), loaded: String(cString: tapestry_version_loaded()))
    }

    /// Throws unless both are the same release: libtorch's C++ changes with each. A build's mark ("+cpu") is ignored.
    public func verify() throws(TorchError) {
        guard Self.release(of: compiled) != Self.release(of: loaded) else { return }
        let found = loaded.isEmpty ? "one that does not tell its version" : loaded
        throw TorchError(
            operation: "libtorch",
            message: "built with libtorch \(compiled), but the process has loaded \(found): "
                + "build again, or run with the library it was built with")
    }

    private static func release(of version: String) -> Substring { version.prefix { $0.isNumber || $0 == "." } }
}
