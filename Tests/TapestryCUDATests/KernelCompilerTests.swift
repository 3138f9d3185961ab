import Foundation
import TapestryCUDA
import TapestryTestSupport
import Testing

/// The kernels in NVIDIA's compiler, which needs no GPU: that of the test environment's packages.
@Suite("Compiling CUDA kernels", .enabled(if: Python.isHere, Python.skipped)) struct KernelCompilerTests {
    private static func compiler() throws -> KernelCompiler {
        let found = try Python.run(
            "import importlib.util; print(importlib.util.find_spec('nvidia').submodule_search_locations[0], end='')", []
        )
        // As a libtorch beside those packages would have it.
        return try KernelCompiler(
            oneOf: KernelCompiler.candidates(libtorch: "\(found)/../torch", environment: [:]))
    }

    /// For the oldest architecture that is supported, and that of the fastest machines.
    @Test(arguments: KernelVariant.all, [(8, 0), (9, 0)])
    func everyVariantCompilesWithoutAComplaint(variant: KernelVariant, architecture: (Int, Int)) throws {
        let (binary, log) = try Self.compiler().compile(
            variant, for: GPUArchitecture(major: architecture.0, minor: architecture.1))
        #expect(log.isEmpty, "\(variant): \(log)")
        // Machine code in an ELF file, whose names the kernels are found by.
        #expect(binary.starts(with: Array("\u{7f}ELF".utf8)))
    }

    @Test func aCompilerThatIsNotThereIsNamed() {
        let error = #expect(throws: CUDAError.self) { try KernelCompiler(oneOf: ["/nowhere/libnvrtc.so.13"]) }
        #expect(error?.part == .compiler && error?.reason.contains("/nowhere/libnvrtc.so.13") == true)
        let named = KernelCompiler.candidates(libtorch: "/torch", environment: ["TAPESTRY_NVRTC": "/mine.so"])
        #expect(named == ["/mine.so"])
    }

    @Test func anUnknownArchitectureIsRefused() throws {
        let compiler = try Self.compiler()
        #expect(throws: CUDAError.self) {
            try compiler.compile(KernelVariant(.bf16, shape: 2), for: GPUArchitecture(major: 1, minor: 0))
        }
    }

    @Test func machineCodeIsKeptAndDamageIsFound() throws {
        let directory = try TemporaryDirectory()
        let folder = directory.path + "/a/b"
        let (store, compiler) = (KernelStore(folder: folder), try Self.compiler())
        let (variant, architecture) = (KernelVariant(.bf16, shape: 2), GPUArchitecture(major: 8, minor: 0))
        let binary = try store.binary(of: variant, for: architecture, compiler: compiler)
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
        let kept = try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))
        #expect(kept.count == binary.count + 64 && Array(kept.suffix(binary.count)) == binary)
        var damaged = kept
        damaged[1000] ^= 1
        try damaged.write(to: URL(filePath: "\(folder)/\(name)"))
        #expect(try store.binary(of: variant, for: architecture, compiler: compiler) == binary)
        #expect(try Data(contentsOf: URL(filePath: "\(folder)/\(name)")) == kept)
        _ = try store.binary(of: variant, for: GPUArchitecture(major: 9, minor: 0), compiler: compiler)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 2)
    }

    @Test func aDriverThatIsNotThereIsNamed() {
        let error = #expect(throws: CUDAError.self) { try CUDADriver(library: "/nowhere/libcuda.so.1") }
        #expect(error?.part == .driver && error?.description.contains("/nowhere/libcuda.so.1") == true)
        // A library that is none of NVIDIA's.
        #expect(throws: CUDAError.self) { try CUDADriver(library: "libm.so.6") }
        #expect(throws: CUDAError.self) { try KernelCompiler(oneOf: ["libm.so.6"]) }
    }
}
