import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryTestSupport
import Testing

@Suite("tapestry archs, show, doctor and data verify")
struct ReportTests {
    @Test func archsListsWhatCountCounts() throws {
        struct Row: Decodable {
            let name: String
            let parameters: Int
            let macs: Int
        }
        let rows = try Program.run("archs", "--json").json(as: [Row].self)
        #expect(rows.count >= 7)
        let vgg16 = rows.first { $0.name == "ask/vgg16" }
        #expect(vgg16?.parameters == 14_987_722)
        #expect(vgg16?.macs == 313_463_808)
        let table = try Program.run("archs").output
        for row in rows { #expect(table.contains(row.name)) }
    }

    private struct Shown: Decodable {
        struct Row: Decodable {
            let name: String
            let shape: [Int]
            let dtype: String
            let mean: Double?
            let std: Double?
            let positive: Int
            let negative: Int
            let zero: Int
            let nearZero: Int

            enum CodingKeys: String, CodingKey {
                case name, shape, dtype, mean, std, positive, negative, zero
                case nearZero = "near_zero"
            }
        }

        struct Network: Decodable { let parameters: Int }

        let tensors: [Row]
        let metadata: [String: String]
        let network: Network?
    }

    @Test func showDescribesAnySafetensorsFile() throws {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/any.safetensors"
            let values: [Float] = [1, -1, 0, 1e-6, 4, -4]
            let file = SafetensorsFile(
                metadata: ["format": "pt"],
                tensors: [
                    .init(name: "a", tensor: .float32(Tensor(shape: [2, 3], elements: values))),
                    .init(name: "b", tensor: .int64(Tensor(shape: [], elements: [7]))),
                    .init(name: "c", tensor: .float32(Tensor(shape: [1], elements: [.nan]))),
                    .init(name: "d", tensor: .float32(Tensor(shape: [0], elements: []))),
                ])
            try file.write(to: path)
            let shown = try Program.run("show", path, "--json").json(as: Shown.self)
            let rows = Dictionary(uniqueKeysWithValues: shown.tensors.map { ($0.name, $0) })
            let a = try #require(rows["a"])
            #expect(a.shape == [2, 3])
            #expect(a.dtype == "F32")
            let counts: [Int] = [a.positive, a.negative, a.zero, a.nearZero]
            #expect(counts == [3, 2, 1, 2])
            #expect(abs(try #require(a.mean) - 1e-6 / 6) < 1e-12)
            #expect(abs(try #require(a.std) - (34.0 / 6).squareRoot()) < 1e-6)
            #expect(rows["b"]?.dtype == "I64")
            #expect(rows["b"]?.mean == 7)
            #expect(rows["c"]?.mean == nil)
            #expect(rows["d"]?.mean == nil)
            #expect(shown.network == nil)
            #expect(shown.metadata == ["format": "pt"])
            let text = try Program.run("show", path)
            #expect(text.status == 0)
            #expect(text.output.contains("near zero"))
        }
    }

    /// What ACNet's own program says of its file: kernels, and whose the vectors are.
    @Test(arguments: ["acnet_train.hdf5", "pytorch/training-legacy-protocol2.pth.tar"])
    func showReadsEveryKindOfCheckpoint(file: String) throws {
        let path = Fixture.path(file)
        struct Kinds: Decodable, Equatable {
            let kernels, convolution, matrix, vector, mean, variance, gamma, beta, bias: Int
        }
        struct Document: Decodable {
            struct Totals: Decodable { let tensors: Int }
            let kinds: Kinds
            let totals: Totals
        }
        let outcome = try Program.run("show", path, "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let document = try outcome.json(as: Document.self)
        #expect(document.totals.tensors == (try Checkpoint.read(path)).tensors.count)
        if file.hasPrefix("acnet") {
            let expected = Kinds(
                kernels: 132, convolution: 1044, matrix: 20, vector: 141, mean: 34, variance: 34, gamma: 34, beta: 34,
                bias: 5)
            #expect(document.kinds == expected)
        }
    }

    @Test func showKnowsModels() throws {
        try TemporaryFolder.with { folder in
            let path = "\(folder)/model.safetensors"
            let graph = try Zoo.architecture(named: "ask/resnet20").graph()
            try ModelFile.write(
                Model(graph: graph, weights: .initial(for: graph, seed: 1), facts: ["architecture": "ask/resnet20"]),
                to: path)
            let shown = try Program.run("show", path, "--json").json(as: Shown.self)
            #expect(shown.network?.parameters == 269_722)
            #expect(shown.metadata == ["architecture": "ask/resnet20"])
            #expect(shown.tensors.first?.name == "conv1.weight")
            #expect(try Program.run("show", path).output.contains("architecture: ask/resnet20"))
        }
    }

    @Test func doctorSaysWhatThereIsAndWhatIsMissing() throws {
        let outcome = try Program.run("doctor", "--json")
        #expect(outcome.status == 0)
        let document = try #require(try outcome.json() as? [String: Any])
        for key in ["cpu", "threads", "memory", "gpus", "datasets", "missing"] { #expect(document[key] != nil) }
        let parts = try #require(document["cuda"] as? [String: [String: Any]])
        for part in ["driver", "libtorch", "compiler", "collectives"] {
            let found = try #require(parts[part])
            #expect(found["found"] != nil || found["reason"] != nil, "\(part)")
        }
        let threads = try #require(document["threads"] as? [String: Any])
        #expect(try #require(threads["count"] as? Int) >= 1)
        #expect(try Program.run("doctor").output.contains("processor"))
    }

    @Test func doctorFindsCIFARWhereTheEnvironmentSays() throws {
        try TemporaryFolder.with { folder in
            try Self.writeCIFAR(in: folder)
            let outcome = try Program.run("doctor", environment: ["TAPESTRY_CIFAR": folder])
            #expect(outcome.output.contains("cifar10 in \(folder)"))
        }
    }

    @Test func dataVerifyCountsEveryImage() throws {
        struct SplitReport: Decodable {
            let dataset: String
            let split: String
            let images: Int
            let mean: [Double]
        }
        try TemporaryFolder.with { folder in
            try Self.writeCIFAR(in: folder)
            let outcome = try Program.run("data", "verify", "--data", folder, "--json")
            #expect(outcome.status == 0)
            let reports = try outcome.json(as: [SplitReport].self)
            #expect(reports.map(\.dataset) == ["cifar10", "cifar10"])
            #expect(reports.map(\.split) == ["train", "test"])
            #expect(reports.map(\.images) == [10, 2])
            #expect(reports[0].mean.allSatisfy { abs($0 - 0.2) < 1e-9 })
            #expect(try Program.run("data", "verify", "--data", folder).output.contains("10 images in 10 classes"))
        }
    }

    @Test func damagedDataIsRefusedWithFileAndOffset() throws {
        try TemporaryFolder.with { folder in
            try Self.writeCIFAR(in: folder)
            try Data([1, 2, 3]).write(to: URL(filePath: "\(folder)/test_batch.bin"))
            let outcome = try Program.run("data", "verify", "--data", folder, "--json")
            #expect(outcome.status == 65)
            #expect(outcome.output.isEmpty)
            #expect(outcome.errors.contains("test_batch.bin"))
        }
    }

    /// CIFAR-10's six files with two images each, every pixel 51.
    private static func writeCIFAR(in folder: String) throws {
        let names = (1...5).map { "data_batch_\($0).bin" } + ["test_batch.bin"]
        for (index, name) in names.enumerated() {
            let images = (0..<2).flatMap { [UInt8((index * 2 + $0) % 10)] + [UInt8](repeating: 51, count: 3072) }
            try Data(images).write(to: URL(filePath: "\(folder)/\(name)"))
        }
    }
}
