/// What CUDA, or the lack of a part of it, keeps from being done.
public struct CUDAError: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Part: String, Sendable {
        /// libcuda.so.1, which comes with NVIDIA's driver.
        case driver = "the CUDA driver"
        /// libnvrtc.so, which comes with libtorch for CUDA.
        case compiler = "NVRTC"
        /// A kernel, in the compiler or on the device.
        case kernel = "a CUDA kernel"
    }

    public let part: Part
    /// In one line.
    public let reason: String

    public init(_ part: Part, _ reason: String) {
        self.part = part
        self.reason = reason
    }

    public var description: String { "\(part.rawValue): \(reason)" }
}

/// Calls `body` with room for a message; what it leaves there when it gives nil is the error's reason.
func told<Result>(
    _ part: CUDAError.Part, _ body: (UnsafeMutablePointer<CChar>, Int) -> Result?
) throws(CUDAError) -> Result {
    var message = [CChar](repeating: 0, count: 2000)
    let result = message.withUnsafeMutableBufferPointer { body($0.baseAddress!, $0.count) }
    guard let result else {
        let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        throw CUDAError(part, String(decoding: bytes, as: UTF8.self))
    }
    return result
}
