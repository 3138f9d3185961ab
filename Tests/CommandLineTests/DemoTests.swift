#if TAPESTRY_LIBTORCH
import Foundation
import TapestryFormats
import Testing

@Suite("tapestry demo") struct DemoTests {
    /// Fashion-MNIST's four files with few images.
    private static func writeImages(in folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, count) in [("train", 130), ("t10k", 20)] {
            let labels: [UInt8] = [0, 0, 8, 1, 0, 0, 0, UInt8(count)] + (0..<count).map { UInt8($0 % 10) }
            try AtomicFile.write(labels, to: "\(folder)/\(name)-labels-idx1-ubyte")
            let images: [UInt8] =
                [0, 0, 8, 3, 0, 0, 0, UInt8(count), 0, 0, 0, 28, 0, 0, 0, 28]
                + (0..<count).flatMap { [UInt8](repeating: UInt8($0 % 10 * 25), count: 28 * 28) }
            try AtomicFile.write(images, to: "\(folder)/\(name)-images-idx3-ubyte")
        }
    }

    @Test func aSecondRunReusesTheResultWhateverTheThreads() throws {
        try TemporaryFolder.with { folder in
            try Self.writeImages(in: "\(folder)/fashion")
            func demo(_ options: String) throws -> Program.Outcome {
                try Program.shell("cd \(folder) && \"$tapestry\" demo --data fashion --out demo \(options)")
            }
            let first = try demo("--threads 1")
            #expect(first.status == 0, "\(first.errors)")
            // A record's path must not depend on where the program was started.
            let record = try String(contentsOfFile: "\(folder)/demo/dense/config.yaml", encoding: .utf8)
            #expect(record.contains("data: \(folder)/fashion") || record.contains("data: \"\(folder)/fashion\""))
            let second = try demo("--threads 2")
            #expect(second.status == 0, "\(second.errors)")
            #expect(second.output == first.output)
            #expect(second.errors.contains("threads: 1 (with which the run was started)"))
            #expect(try demo("--precision bf16").status == 64)

            let metrics = "\(folder)/demo/dense/metrics.jsonl"
            let hostile = try String(contentsOfFile: metrics, encoding: .utf8)
                .replacing(/"(imagesPerSecond|trainSeconds)":[0-9.e+-]+/) { "\"\($0.1)\":1e300" }
            try hostile.write(toFile: metrics, atomically: true, encoding: .utf8)
            let third = try demo("--threads 1")
            #expect(third.status == 65, "\(third.errors)")
            #expect(third.errors.contains("metrics.jsonl"))
        }
    }
}
#endif
