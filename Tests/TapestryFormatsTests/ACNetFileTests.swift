import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// The files that ACNet's own program wrote, and names with its rule.
@Suite struct ACNetFileTests {
    private enum Description: Decodable {
        case number(Double)
        case datasets([String: (shape: [Int], type: String)])

        init(from decoder: any Decoder) throws {
            if let number = try? decoder.singleValueContainer().decode(Double.self) {
                self = .number(number)
                return
            }
            self = .datasets(
                try decoder.singleValueContainer().decode([String: Dataset].self).mapValues { ($0.shape, $0.type) })
        }
    }

    /// `[[4, 3, 3, 3], "float32"]`
    private struct Dataset: Decodable {
        let shape: [Int]
        let type: String

        init(from decoder: any Decoder) throws {
            var row = try decoder.unkeyedContainer()
            shape = try row.decode([Int].self)
            type = try row.decode(String.self)
        }
    }

    @Test(arguments: ["train", "deploy"])
    func recordedFilesAreReadValueByValue(kind: String) throws {
        let tensors = try ACNetFile.read(Fixture.path("acnet_\(kind).hdf5"))
        let description: [String: Description] = try Fixtures.json("acnet_hdf5.json")
        guard case .datasets(let datasets)? = description["\(kind)_datasets"] else {
            Issue.record("no datasets")
            return
        }
        #expect(tensors.map(\.name) == datasets.keys.sorted())
        let recorded = try SafetensorsFile.read(Fixture.path("acnet_hdf5_io.safetensors"))
        for entry in tensors {
            let dataset = try #require(datasets[entry.name])
            #expect(entry.tensor.shape == Shape(dataset.shape))
            #expect((entry.tensor.float32 != nil) == (dataset.type == "float32"))
            #expect((entry.tensor.int64 != nil) == (dataset.type == "int64"))
            if entry.name.hasSuffix("num_batches_tracked") {
                // Not recorded elsewhere; the network was never trained.
                #expect(entry.tensor == .int64(Tensor(shape: [], elements: [0])))
            } else {
                #expect(entry.tensor == recorded["\(kind).\(entry.name)"], "\(entry.name)")
            }
        }
    }

    @Test func slashesAreWrittenAsPluses() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/x.hdf5"
        let tensor = StoredTensor.float32(Tensor(shape: [1], elements: [1]))
        let entries = ["a/b", "c.d", "é/ü"].map { NamedTensor(name: $0, tensor: tensor) }
        try ACNetFile.write(entries, to: path)
        #expect(try HDF5File.read(path).tensors.map(\.name) == ["a+b", "c.d", "é+ü"])
        #expect(try ACNetFile.read(path) == entries)
        expectFormatError("found 'a+b' twice") {
            try ACNetFile.write(entries + [NamedTensor(name: "a+b", tensor: tensor)], to: path)
        }
        #expect(try ACNetFile.read(path) == entries)
    }

    @Test func namesThatBecomeOneAreRefused() throws {
        let path = Fixture.path("hdf5/plus.h5")
        #expect(try HDF5File.read(path).tensors.map(\.name) == ["a/b", "a+b"])
        expectFormatError("found 'a/b' twice") { _ = try ACNetFile.read(path) }
    }
}
