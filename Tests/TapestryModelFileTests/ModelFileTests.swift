import Foundation
import TapestryCore
import TapestryModelFile
import Testing

@Suite("Model files")
struct ModelFileTests {
    /// A network with every kind of support, batch norms and biases.
    private static func model() throws -> Model {
        let sets = [try TapSet(numbers: [2, 4, 5, 6, 8]), try TapSet(numbers: [1, 5])]
        let mask = WeightMask(size: 4 * 4) { $0 % 3 == 0 }
        let graph = try Graph.build(input: [3, 6, 6]) { image in
            image.convolution("conv1", to: 4, kernel: 3, padding: 1, hasBias: true).batchNorm("bn1").relu()
                .applying(
                    .convolution(
                        Convolution(
                            inputChannels: 4, outputChannels: 4, kernel: .square(3), padding: .all(1),
                            support: .tapSets(sets))), named: "conv2"
                )
                .applying(
                    .convolution(
                        Convolution(inputChannels: 4, outputChannels: 4, kernel: .square(1), support: .mask(mask))),
                    named: "conv3"
                )
                .globalAveragePool().linear("fc", to: 5)
        }
        var weights = Weights(batchCounts: ["bn1.num_batches_tracked": 42])
        var next: Float = -3
        for parameter in graph.parameters {
            let values = (0..<parameter.shape.count).map { _ -> Float in
                next += 0.125
                return next
            }
            weights.tensors[parameter.name] = Tensor(shape: parameter.shape, elements: values)
        }
        return try Model(graph: graph, weights: weights, facts: ["architecture": "test", "note": "\"quoted\"\n"])
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(component: "tapestry-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }

    /// Reads `file` after writing it, and returns the reason for which it is refused.
    private func refusal(of file: SafetensorsFile) throws -> String {
        var reason = ""
        try withFolder { folder in
            let path = "\(folder)/m.safetensors"
            try file.write(to: path)
            let error = try #require(throws: FormatError.self) { try ModelFile.read(path) }
            #expect(error.file == path)
            reason = error.reason
        }
        return reason
    }

    /// The file of `model()` as safetensors, for damaging it knowingly.
    private func file() throws -> SafetensorsFile {
        var file = SafetensorsFile()
        try withFolder { folder in
            try ModelFile.write(Self.model(), to: "\(folder)/m.safetensors")
            file = try SafetensorsFile.read("\(folder)/m.safetensors")
        }
        return file
    }

    @Test func whatIsWrittenIsRead() throws {
        try withFolder { folder in
            let (path, model) = ("\(folder)/m.safetensors", try Self.model())
            try ModelFile.write(model, to: path)
            let read = try ModelFile.read(path)
            #expect(read.graph == model.graph)
            #expect(read.weights == model.weights)
            #expect(read.facts == model.facts)
            let bytes = try Data(contentsOf: URL(filePath: path))
            try ModelFile.write(read, to: path)
            #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
        }
    }

    @Test func tensorsLieInTheOrderOfTheStateDict() throws {
        let names = try file().tensors.map(\.name)
        #expect(
            names == [
                "conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
                "bn1.num_batches_tracked", "conv2.conv0.weight", "conv2.conv1.weight", "conv3.weight", "fc.weight",
                "fc.bias",
            ])
    }

    @Test func batchCountsMayBeMissing() throws {
        var file = try file()
        file.tensors.removeAll { $0.name == "bn1.num_batches_tracked" }
        try withFolder { folder in
            try file.write(to: "\(folder)/m.safetensors")
            #expect(try ModelFile.read("\(folder)/m.safetensors").weights.batchCounts.isEmpty)
        }
    }

    @Test func otherSafetensorsFilesAreNoModels() throws {
        var file = try file()
        file.metadata["tapestry.graph"] = nil
        #expect(try refusal(of: file).hasPrefix("is not a Tapestry model"))
    }

    @Test(arguments: ["2", "", nil] as [String?])
    func otherVersionsAreRefused(version: String?) throws {
        var file = try file()
        file.metadata["tapestry.version"] = version
        #expect(try refusal(of: file).contains("expected tapestry.version \"1\""))
    }

    @Test func missingMisshapenAndUnknownTensorsAreNamed() throws {
        let file = try file()
        var missing = file
        missing.tensors.removeAll { $0.name == "conv3.weight" }
        #expect(try refusal(of: missing).contains("conv3.weight"))
        var misshapen = file
        misshapen.tensors[0].tensor = .float32(Tensor(shape: [1], elements: [0]))
        #expect(try refusal(of: misshapen).contains("conv1.weight"))
        var unknown = file
        unknown.tensors.append(.init(name: "extra", tensor: .float32(Tensor(shape: [1], elements: [0]))))
        #expect(try refusal(of: unknown).contains("extra"))
        var mistyped = file
        mistyped.tensors[0].tensor = .uint8(Tensor(shape: [1], elements: [0]))
        #expect(try refusal(of: mistyped).contains("conv1.weight"))
        var miscounted = file
        miscounted.tensors[6].tensor = .int64(Tensor(shape: [2], elements: [1, 2]))
        #expect(try refusal(of: miscounted).contains("bn1.num_batches_tracked"))
    }

    @Test(arguments: [
        "", "{}", "[]", "null", "{\"version\":1}", "{\"version\":9}", String(repeating: "[", count: 5000),
    ])
    func graphsThatAreNoneAreRefused(text: String) throws {
        var file = try file()
        file.metadata["tapestry.graph"] = text
        #expect(try refusal(of: file).hasPrefix("its tapestry.graph is not a graph"))
    }

    @Test func graphsOfTooManyValuesAreRefusedBeforeTheyFillTheMemory() throws {
        var file = try file()
        file.metadata["tapestry.graph"] = "[" + String(repeating: "0,", count: 500_000) + "0]"
        #expect(try refusal(of: file).contains("expected at most 500000 values"))
    }

    @Test func truncationAtEveryOffsetIsRefused() throws {
        try withFolder { folder in
            let path = "\(folder)/m.safetensors"
            try ModelFile.write(Self.model(), to: path)
            let bytes = try Data(contentsOf: URL(filePath: path))
            for length in 0..<bytes.count {
                try bytes.prefix(length).write(to: URL(filePath: path))
                #expect(throws: FormatError.self, "\(length) bytes") { try ModelFile.read(path) }
            }
        }
    }

    /// Bits flipped together may undo what one alone would show: they must be refused or harmless, and never crash.
    @Test func flippedBitsNeverCrash() throws {
        let seed = UInt64(Date.now.timeIntervalSince1970 * 1e3)
        var random = RandomStream(seed: seed, purpose: .test)
        try withFolder { folder in
            let path = "\(folder)/m.safetensors"
            try ModelFile.write(Self.model(), to: path)
            let bytes = try Data(contentsOf: URL(filePath: path))
            let headerEnd = 8 + Int(bytes[0]) + Int(bytes[1]) << 8
            let deadline = ContinuousClock.now + .seconds(3)
            while ContinuousClock.now < deadline {
                var damaged = bytes
                for _ in 0...random.integer(below: 3) {
                    damaged[random.integer(below: headerEnd)] ^= 1 << UInt8(random.integer(below: 8))
                }
                try damaged.write(to: URL(filePath: path))
                do { _ = try ModelFile.read(path) } catch {
                    #expect(error is FormatError, "seed \(seed): \(error)")
                }
            }
        }
    }
}
