import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct PyTorchWriterTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    /// Every type, empty and scalar tensors, and integers of every width in the pickle.
    private static let tensors = [
        NamedTensor(
            name: "w", tensor: .float32(Tensor(shape: [2, 3], elements: [1.5, -2, 0, .infinity, 0x1p-140, 3.1415927]))),
        NamedTensor(name: "größe", tensor: .int64(Tensor(shape: [], elements: [.min]))),
        NamedTensor(name: "i", tensor: .int32(Tensor(shape: [2], elements: [.max, -1]))),
        NamedTensor(name: "s", tensor: .int16(Tensor(shape: [2, 1], elements: [.max, -1]))),
        NamedTensor(name: "c", tensor: .int8(Tensor(shape: [2], elements: [.min, 1]))),
        NamedTensor(name: "u", tensor: .uint8(Tensor(shape: [300], elements: (0..<300).map { UInt8($0 % 256) }))),
        NamedTensor(name: "b", tensor: .bool(Tensor(shape: [3], elements: [true, false, true]))),
        NamedTensor(name: "none", tensor: .float32(Tensor(shape: [3, 0, 2], elements: []))),
        NamedTensor(
            name: "wide", tensor: .uint8(Tensor(shape: [1, 70_000], elements: [UInt8](repeating: 7, count: 70_000)))),
    ]

    @Test func whatIsWrittenIsReadAgain() throws {
        let path = directory.path + "/x.pt"
        try PyTorchCheckpoint.write(Self.tensors, to: path)
        let checkpoint = try PyTorchCheckpoint.read(path)
        #expect(checkpoint.tensors == Self.tensors)
        #expect(checkpoint.container == .zip)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try PyTorchCheckpoint.write(Self.tensors, to: path)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
        #expect(try directory.entries == ["x.pt"])
        try PyTorchCheckpoint.write(Self.tensors, to: path, under: "state_dict")
        #expect(try PyTorchCheckpoint.read(path).tensors == Self.tensors)
    }

    @Test func storagesLieAtMultiplesOf64() throws {
        let path = directory.path + "/x.pt"
        let marks: [Float] = [12345.5, 54321.5]
        try PyTorchCheckpoint.write(
            marks.map { NamedTensor(name: "\($0)", tensor: .float32(Tensor(shape: [1], elements: [$0]))) }, to: path)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        for mark in marks {
            let place = try #require(bytes.firstRange(of: withUnsafeBytes(of: mark) { Data($0) })?.lowerBound)
            #expect(place.isMultiple(of: 64))
        }
    }

    @Test(.enabled(if: Python.isHere, Python.skipped), arguments: [nil, "state_dict"])
    func pythonReadsTheSameValues(key: String?) throws {
        let path = directory.path + "/x.pt"
        try PyTorchCheckpoint.write(Self.tensors, to: path, under: key)
        let program = """
            import json, sys, torch, zipfile
            assert zipfile.ZipFile(sys.argv[1]).testzip() is None
            contents = torch.load(sys.argv[1], weights_only=True)
            if len(sys.argv) > 2:
                assert list(contents) == [sys.argv[2]]
                contents = contents[sys.argv[2]]
            assert type(contents).__name__ == "OrderedDict"
            for name, tensor in contents.items():
                bits = tensor.contiguous().view(torch.uint8).flatten().tolist() if tensor.dim() else \\
                    tensor.reshape(1).view(torch.uint8).tolist()
                print(json.dumps({"name": name, "type": str(tensor.dtype), "shape": list(tensor.shape), "bytes": bits}))
            """
        let output = try Python.run(program, [path] + (key.map { [$0] } ?? []))
        struct Row: Decodable {
            let name: String
            let type: String
            let shape: [Int]
            let bytes: [UInt8]
        }
        let rows = try output.split(separator: "\n").map { try JSONDecoder().decode(Row.self, from: Data($0.utf8)) }
        #expect(rows.map(\.name) == Self.tensors.map(\.name))
        for (row, entry) in zip(rows, Self.tensors) {
            let (type, bytes) = Self.described(entry.tensor)
            #expect(row.type == "torch.\(type)", "\(row.name)")
            #expect(row.shape == entry.tensor.shape.dimensions, "\(row.name)")
            #expect(row.bytes == bytes, "\(row.name)")
        }
    }

    private static func described(_ tensor: StoredTensor) -> (type: String, bytes: [UInt8]) {
        func bytes<Element>(_ elements: [Element]) -> [UInt8] { elements.withUnsafeBytes(Array.init) }
        return switch tensor {
        case .float32(let tensor): ("float32", bytes(tensor.elements))
        case .int64(let tensor): ("int64", bytes(tensor.elements))
        case .int32(let tensor): ("int32", bytes(tensor.elements))
        case .int16(let tensor): ("int16", bytes(tensor.elements))
        case .int8(let tensor): ("int8", bytes(tensor.elements))
        case .uint8(let tensor): ("uint8", bytes(tensor.elements))
        case .bool(let tensor): ("bool", tensor.elements.map { $0 ? 1 : 0 })
        }
    }
}
