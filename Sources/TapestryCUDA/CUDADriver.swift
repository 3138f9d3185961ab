import CTapestryCUDA

/// NVIDIA's driver, found when the program runs.
///
/// `@unchecked Sendable`: its functions may be called from any thread, and the handle only names them.
public struct CUDADriver: @unchecked Sendable {
    package let handle: OpaquePointer

    /// Loads and starts it. Throws where there is none, or no device that it can use.
    public init(library: String = "libcuda.so.1") throws(CUDAError) {
        handle = try told(.driver) { tcu_driver_open(library, $0, $1) }
    }

    /// The newest CUDA that it runs: "13.0".
    public var version: String {
        let number = tcu_driver_version(handle)
        return "\(number / 1000).\(number % 1000 / 10)"
    }

    public struct Device: Sendable {
        public let name: String
        public let architecture: GPUArchitecture
        /// Streaming multiprocessors.
        public let processors: Int
        /// Bytes.
        public let memory: Int
    }

    /// Throws where the driver cannot tell.
    public func devices() throws(CUDAError) -> [Device] {
        var devices: [Device] = []
        for index in 0..<tcu_driver_device_count(handle) {
            var device = tcu_device()
            try told(.driver) { tcu_driver_device(handle, index, &device, $0, $1) ? () : nil }
            let name = withUnsafeBytes(of: device.name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            devices.append(
                Device(
                    name: name, architecture: GPUArchitecture(major: Int(device.major), minor: Int(device.minor)),
                    processors: Int(device.processors), memory: device.memory))
        }
        return devices
    }
}
