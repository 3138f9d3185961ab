import Foundation

/// The processor, as far as it decides which kernels run and how fast.
package struct Processor: Equatable, Sendable {
    package let model: String
    /// Those of `notable` that it has, named as Linux names them.
    package let features: [String]
    /// Hardware threads that the machine shows.
    package let count: Int

    /// Instruction sets that kernels and libtorch ask for, x86's and Arm's.
    private static let notable = [
        "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16",
        "amx_tile",
        "amx_int8", "amx_bf16", "asimd", "asimddp", "bf16", "i8mm", "sve", "sve2",
    ]

    /// What the text of `/proc/cpuinfo` says.
    package init(information: String) {
        var model: String?
        var flags: Set<Substring> = []
        var count = 0
        for line in information.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            let key = parts[0].trimmingCharacters(in: .whitespaces)
            let value = parts.count == 2 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
            switch key {
            case "processor": count += 1
            case "model name", "Model": model = model ?? value
            case "flags", "Features": flags.formUnion(value.split(separator: " ").map { Substring($0) })
            default: break
            }
        }
        self.model = model ?? "unknown"
        features = Self.notable.filter { flags.contains(Substring($0)) }
        self.count = count
    }

    /// Whether it multiplies bfloat16 numbers, rather than convert them first.
    package var hasBFloat16: Bool { features.contains { ["avx512_bf16", "amx_bf16", "bf16"].contains($0) } }

    package static var current: Processor {
        Processor(information: (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? "")
    }
}

/// The machine's memory in bytes.
package struct Memory: Equatable, Sendable {
    package let total: Int?
    package let available: Int?
    /// What the control group leaves of it; nil where nothing limits it.
    package let limit: Int?

    /// What the text of `/proc/meminfo` says.
    package init(information: String, limit: Int?) {
        func bytes(_ key: String) -> Int? {
            information.split(separator: "\n").first { $0.hasPrefix("\(key):") }?
                .split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
        }
        let total = bytes("MemTotal")
        self.total = total
        available = bytes("MemAvailable")
        self.limit = limit.flatMap { limit in total.map { limit < $0 } ?? true ? limit : nil }
    }

    package static var current: Memory {
        Memory(
            information: (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8)) ?? "",
            limit: ControlGroup.current.memoryLimit)
    }
}
