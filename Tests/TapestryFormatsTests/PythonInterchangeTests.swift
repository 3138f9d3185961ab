import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// What Tapestry writes, as the Python packages of the formats read it.
@Suite(.enabled(if: Python.isHere, Python.skipped))
struct PythonInterchangeTests {
    /// An array as numpy has it: its type, its shape, and its bytes in hexadecimal digits.
    private struct Array: Decodable, Equatable {
        let type: String
        let shape: [Int]
        let bytes: String

        init(_ tensor: StoredTensor) {
            type =
                switch tensor {
                case .float32: "<f4"
                case .int64: "<i8"
                case .int32: "<i4"
                case .int16: "<i2"
                case .int8: "|i1"
                case .uint8: "|u1"
                case .bool: "|b1"
                }
            shape = tensor.shape.dimensions
            bytes = tensor.withBytes { $0.map { String(format: "%02x", $0) }.joined() }
        }
    }

    private static let describing = """
        import hashlib, json, sys
        def describe(array):
            return {"type": array.dtype.str, "shape": list(array.shape), "bytes": array.tobytes().hex()}

        """

    private static let readingHDF5 = """
        import h5py
        def contents(path):
            with h5py.File(path, "r") as file:
                assert all(isinstance(file[name], h5py.Dataset) for name in file)
                return {name: describe(file[name][()]) for name in file}

        """

    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// One tensor of each type and of many shapes.
    private static let tensors: [NamedTensor] = [
        .init(name: "conv.weight", tensor: .float32(randomTensor([4, 3, 3, 3]))),
        .init(name: "extremes", tensor: .float32(Tensor(shape: [4], elements: [-0.0, .infinity, .nan, 0x1p-149]))),
        .init(name: "scalar", tensor: .float32(Tensor(shape: [], elements: [0.1]))),
        .init(name: "num_batches_tracked", tensor: .int64(Tensor(shape: [], elements: [.min]))),
        .init(name: "long", tensor: .int64(Tensor(shape: [2], elements: [.max, -1]))),
        .init(name: "int", tensor: .int32(Tensor(shape: [1, 3], elements: [.min, .max, 5]))),
        .init(name: "byte", tensor: .uint8(Tensor(shape: [3], elements: [0, 128, 255]))),
        .init(name: "empty", tensor: .float32(Tensor(shape: [0, 3], elements: []))),
        .init(name: "größe \"x\"", tensor: .float32(Tensor(shape: [1], elements: [1]))),
    ]

    private static func randomTensor(_ shape: Shape) -> Tensor<Float> {
        var stream = RandomStream(seed: 3, purpose: .test)
        return Tensor(shape: shape, elements: (0..<shape.count).map { _ in Float(stream.uniform(in: -1...1)) })
    }

    private func arrays(_ tensors: [NamedTensor]) -> [String: Array] {
        Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, Array($0.tensor)) })
    }

    @Test func safetensorsReadsWhatIsWritten() throws {
        let path = directory.path + "/x.safetensors"
        let metadata = ["graph": "{\"ä\": \"\\\n\"}", "b": ""]
        try SafetensorsFile(metadata: metadata, tensors: Self.tensors).write(to: path)
        let script =
            Self.describing + """
                from safetensors import safe_open
                with safe_open(sys.argv[1], framework="numpy") as file:
                    tensors = {name: describe(file.get_tensor(name)) for name in file.keys()}
                    metadata = file.metadata()
                data = open(sys.argv[1], "rb").read()
                length = int.from_bytes(data[:8], "little")
                header = data[8:8 + length]
                digest = lambda bytes: hashlib.sha256(bytes).hexdigest()[:16]
                entries = [value for key, value in json.loads(header).items() if key != "__metadata__"]
                ranges = sorted(value["data_offsets"] for value in entries)
                sound = metadata.pop("tapestry.digests") == "".join(digest(data[8 + length:][a:b]) for a, b in ranges)
                stored = metadata.pop("tapestry.header")
                sound = sound and digest(header.replace(stored.encode(), b"0" * 16, 1)) == stored
                print(json.dumps({"metadata": metadata, "tensors": tensors, "sound": sound}))
                """
        struct Contents: Decodable {
            let metadata: [String: String]
            let tensors: [String: Array]
            let sound: Bool
        }
        let contents = try Python.json(script, [path], as: Contents.self)
        #expect(contents.metadata == metadata)
        #expect(contents.sound, "the digests")
        #expect(contents.tensors == arrays(Self.tensors))
    }

    /// 1 to 8 symbols fill one node, 256 one level of the tree; more than 8192 need a third level.
    @Test(arguments: [0, 1, 8, 9, 256, 257, 8200])
    func h5pyReadsWhatIsWritten(count: Int) throws {
        let path = directory.path + "/x.hdf5"
        let tensors = (0..<count).map { index in
            index < Self.tensors.count
                ? Self.tensors[index]
                : NamedTensor(name: "t\(index)", tensor: .int64(Tensor(shape: [], elements: [Int64(index)])))
        }
        try HDF5File(tensors: tensors).write(to: path)
        let script = Self.describing + Self.readingHDF5 + "print(json.dumps(contents(sys.argv[1])))"
        #expect(try Python.json(script, [path], as: [String: Array].self) == arrays(tensors))
    }

    @Test func h5pyReadsTextsOfTheFile() throws {
        let path = directory.path + "/x.hdf5"
        let texts = ["certificate": "{\"ä\": 1}", "empty": "", "long": String(repeating: "x", count: 50_000)]
        try HDF5File(tensors: Self.tensors).write(to: path, attributes: texts)
        let script =
            Self.describing + Self.readingHDF5 + """
                with h5py.File(sys.argv[1], "r") as file:
                    texts = {name: bytes(file.attrs[name]).decode() for name in file.attrs}
                print(json.dumps({"texts": texts, "tensors": contents(sys.argv[1])}))
                """
        struct Contents: Decodable {
            let texts: [String: String]
            let tensors: [String: Array]
        }
        let contents = try Python.json(script, [path], as: Contents.self)
        #expect(contents.texts == texts)
        #expect(contents.tensors == arrays(Self.tensors))
        #expect(try HDF5File.read(path).tensors.count == Self.tensors.count)
        expectFormatError("found more in 'long'") {
            try HDF5File().write(to: path, attributes: ["long": String(repeating: "x", count: 60_000)])
        }
    }

    @Test func h5pyChangesWhatIsWritten() throws {
        let path = directory.path + "/x.hdf5"
        try HDF5File(tensors: Self.tensors).write(to: path)
        let script =
            Self.describing + Self.readingHDF5 + """
                with h5py.File(sys.argv[1], "r+") as file:
                    del file["int"]
                    file["scalar"].attrs["note"] = "x" * 1000
                    file["conv.weight"][0] = 2
                    for index in range(40):
                        file[f"more{index}"] = h5py.h5t.IEEE_F32LE.dtype.type(index)
                print(json.dumps(contents(sys.argv[1])))
                """
        let contents = try Python.json(script, [path], as: [String: Array].self)
        #expect(contents.count == Self.tensors.count - 1 + 40)
        #expect(contents == arrays(try HDF5File.read(path).tensors))
    }

    @Test func aSmallFileCannotFillTheMemory() throws {
        let script = """
            import h5py, sys
            with h5py.File(sys.argv[1], "w") as file:
                file.create_dataset("zeros", shape=(10 << 20,), dtype="f4", chunks=(10 << 20,), compression="gzip")[0] = 0
            with h5py.File(sys.argv[2], "w") as file:
                file.create_dataset("w", shape=(1,), maxshape=(None,), dtype="u1", chunks=(128 << 20,), compression="gzip")[0] = 1
            """
        let paths = ["/large.h5", "/wide.h5"].map { directory.path + $0 }
        _ = try Python.run(script, paths)
        for (path, reason) in zip(paths, ["expected tensors of at most twice", "expected chunks of at most twice"]) {
            do {
                _ = try HDF5File.read(path)
                Issue.record("expected an error")
            } catch let error as FormatError {
                #expect(error.reason.contains(reason))
            }
        }
    }
}
