import CTapestryCUDA
import Glibc

/// What kernels are compiled for: "sm_90".
public struct GPUArchitecture: Hashable, Sendable, CustomStringConvertible {
    public let major: Int
    public let minor: Int

    public init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// The oldest that has all instructions that the kernels use: Ampere.
    public static let oldest = GPUArchitecture(major: 8, minor: 0)

    public var isSupported: Bool { (major, minor) >= (Self.oldest.major, Self.oldest.minor) }
    public var description: String { "sm_\(major)\(minor)" }
}

/// NVIDIA's compiler as a library (NVRTC), found when the program runs.
///
/// `@unchecked Sendable`: its functions may be called from any thread, and the handle only names them.
public struct KernelCompiler: @unchecked Sendable {
    /// Where it was found.
    public let library: String
    /// As "13.0".
    public let version: String
    private let handle: OpaquePointer

    /// The first of `candidates` that can be loaded. Throws with the reason of each that could not.
    public init(oneOf candidates: [String]) throws(CUDAError) {
        var reasons: [String] = []
        for candidate in candidates {
            do throws(CUDAError) {
                handle = try told(.compiler) { tcu_compiler_open(candidate, $0, $1) }
                var (major, minor) = (Int32(0), Int32(0))
                tcu_compiler_version(handle, &major, &minor)
                (library, version) = (candidate, "\(major).\(minor)")
                return
            } catch {
                reasons.append(error.reason)
            }
        }
        throw CUDAError(.compiler, reasons.isEmpty ? "nowhere to look for it" : reasons.joined(separator: "; "))
    }

    /// Where it may be: the file that TAPESTRY_NVRTC names, or beside libtorch in the packages that PyPI's torch brings
    /// along, or wherever the dynamic loader looks.
    public static func candidates(libtorch folder: String?, environment: [String: String]) -> [String] {
        if let named = environment["TAPESTRY_NVRTC"], !named.isEmpty { return [named] }
        let packages = folder.map { "\($0)/../nvidia" }
        let beside = packages.map { ["\($0)/cu13/lib/libnvrtc.so.13", "\($0)/cuda_nvrtc/lib/libnvrtc.so.12"] } ?? []
        return beside + ["libnvrtc.so.13", "libnvrtc.so.12"]
    }

    /// Machine code of a variant's kernels, and what the compiler said: nothing, where it was content.
    ///
    /// Throws: `CUDAError` with the compiler's complaints.
    public func compile(
        _ variant: KernelVariant, for architecture: GPUArchitecture
    ) throws(CUDAError) -> (binary: [UInt8], log: String) {
        let options = Self.options(for: variant, architecture)
        var binary = tcu_binary()
        defer { tcu_binary_free(&binary) }
        let strings = options.map { strdup($0) }
        defer { for string in strings { free(string) } }
        let pointers = strings.map { UnsafePointer<CChar>($0) }
        try told(.compiler) { message, size in
            tcu_compile(handle, tcu_source(), pointers, Int32(pointers.count), &binary, message, size) ? () : nil
        }
        return (
            Array(UnsafeBufferPointer(start: binary.bytes, count: binary.count)),
            binary.log.map { String(cString: $0) } ?? ""
        )
    }

    /// A kernel whose registers do not suffice is worth a complaint: what it keeps in memory instead makes it slow.
    static func options(for variant: KernelVariant, _ architecture: GPUArchitecture) -> [String] {
        var definitions = [[CChar]](repeating: [CChar](repeating: 0, count: 64), count: 2)
        definitions.withUnsafeMutableBufferPointer { both in
            both[0].withUnsafeMutableBufferPointer { arithmetic in
                both[1].withUnsafeMutableBufferPointer { shape in
                    tcu_definitions(variant.code, arithmetic.baseAddress, shape.baseAddress)
                }
            }
        }
        return ["--gpu-architecture=\(architecture)", "--std=c++17", "--ptxas-options=--warn-on-spills"]
            + definitions.map { String(decoding: $0.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
    }
}
