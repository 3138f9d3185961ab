import CTapestryCUDA
import Glibc
import TapestryModelFile

/// Machine code that was compiled once on this machine: a file for each text, options and compiler, in a folder.
///
/// A file begins with the digest of what follows; one that is damaged is as good as none.
public struct KernelStore: Sendable {
    private let folder: String

    public init(folder: String) { self.folder = folder }

    /// From the folder, or compiled and kept there. Not being able to keep it is no reason not to use it.
    ///
    /// Throws: `CUDAError`.
    public func binary(
        of variant: KernelVariant, for architecture: GPUArchitecture, compiler: KernelCompiler
    ) throws(CUDAError) -> [UInt8] {
        let path = file(for: variant, architecture, compiler)
        if let kept = Self.read(path) { return kept }
        let (binary, _) = try compiler.compile(variant, for: architecture)
        makeFolder()
        try? AtomicFile.write(Array(SHA256.hex(of: binary).utf8) + binary, to: path)
        return binary
    }

    /// What of the process's environment says where things are.
    public static var environment: [String: String] {
        var values: [String: String] = [:]
        for name in ["TAPESTRY_HOME", "TAPESTRY_NVRTC", "XDG_CACHE_HOME", "HOME"] {
            values[name] = getenv(name).map { String(cString: $0) }
        }
        return values
    }

    /// Where kernels are kept: in TAPESTRY_HOME, or where this user's caches are.
    public static func folder(environment: [String: String]) -> String {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let caches = value("XDG_CACHE_HOME") ?? "\(value("HOME") ?? ".")/.cache"
        return (value("TAPESTRY_HOME") ?? "\(caches)/tapestry") + "/kernels"
    }

    /// What was chosen, of several ways of computing, under a name of any length; nil where nothing was.
    public func choice(named name: String) -> String? {
        (try? InputFile.read(choiceFile(name), limit: 100)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Not being able to keep it is no reason not to use it.
    public func keep(choice: String, named name: String) {
        makeFolder()
        try? AtomicFile.write(choice, to: choiceFile(name))
    }

    private func choiceFile(_ name: String) -> String { "\(folder)/\(SHA256.hex(of: Array(name.utf8))).choice" }

    /// What decides about machine code decides about its name.
    private func file(
        for variant: KernelVariant, _ architecture: GPUArchitecture, _ compiler: KernelCompiler
    ) -> String {
        let parts =
            [compiler.version] + KernelCompiler.options(for: variant, architecture) + [String(cString: tcu_source())]
        return "\(folder)/\(SHA256.hex(of: Array(parts.joined(separator: "\n").utf8))).cubin"
    }

    private static let digestLength = 64
    private static let largest = 1 << 26

    private static func read(_ path: String) -> [UInt8]? {
        guard let bytes = try? InputFile.read(path, limit: largest), bytes.count > digestLength else { return nil }
        let binary = Array(bytes[digestLength...])
        return Array(SHA256.hex(of: binary).utf8) == Array(bytes[..<digestLength]) ? binary : nil
    }

    /// The folder and those above it.
    private func makeFolder() {
        var path = ""
        for part in folder.split(separator: "/") {
            path += (path.isEmpty && !folder.hasPrefix("/") ? "" : "/") + part
            mkdir(path, 0o777)
        }
    }
}
