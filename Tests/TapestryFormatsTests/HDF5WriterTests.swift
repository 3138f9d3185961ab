import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct HDF5WriterTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.path + "/x.hdf5"
    }

    private func scalars(_ count: Int) -> [NamedTensor] {
        (0..<count).map { .init(name: "t\($0)", tensor: .int64(Tensor(shape: [], elements: [Int64($0)]))) }
    }

    @Test func whatIsWrittenIsReadAgainInTheOrderOfNames() throws {
        let tensors: [NamedTensor] = [
            .init(name: "w", tensor: .float32(Tensor(shape: [2, 1, 2], elements: [1.5, -.infinity, -0.0, 3]))),
            .init(name: "a", tensor: .int64(Tensor(shape: [], elements: [.min]))),
            .init(name: "none", tensor: .int32(Tensor(shape: [3, 0], elements: []))),
            .init(name: "ä", tensor: .int32(Tensor(shape: [1], elements: [-2]))),
            .init(name: "B", tensor: .uint8(Tensor(shape: [3], elements: [0, 128, 255]))),
        ]
        try HDF5File(tensors: tensors).write(to: path)
        let file = try HDF5File.read(path)
        #expect(file.tensors == ["B", "a", "none", "w", "ä"].map { name in tensors.first { $0.name == name } })
        #expect(try directory.entries == ["x.hdf5"])
    }

    @Test(arguments: [0, 1, 8, 9, 256, 257, 8192, 8193])
    func asManyTensorsAsNeeded(count: Int) throws {
        let tensors = scalars(count)
        try HDF5File(tensors: tensors).write(to: path)
        #expect(try HDF5File.read(path).tensors == tensors.sorted { $0.name < $1.name })
    }

    @Test func theSameTensorsGiveTheSameBytes() throws {
        try HDF5File(tensors: scalars(20)).write(to: path)
        let bytes = try Data(contentsOf: URL(filePath: path))
        try HDF5File(tensors: scalars(20).reversed()).write(to: path)
        #expect(try Data(contentsOf: URL(filePath: path)) == bytes)
    }

    @Test(arguments: ["", ".", "a/b", "a\0", String(repeating: "x", count: 4097)])
    func namesThatHDF5CannotHoldAreRefused(name: String) throws {
        try HDF5File(tensors: scalars(1)).write(to: path)
        let tensor = StoredTensor.float32(Tensor(shape: [1], elements: [1]))
        expectFormatError("expected names of tensors that HDF5 can hold") {
            try HDF5File(tensors: [.init(name: name, tensor: tensor)]).write(to: path)
        }
        expectFormatError("expected distinct names of tensors, found 't0' twice") {
            try HDF5File(tensors: scalars(1) + scalars(1)).write(to: path)
        }
        expectFormatError("expected at most 32 dimensions, which HDF5 can hold, found 33 of 'x'") {
            let shape = Shape([Int](repeating: 1, count: 33))
            try HDF5File(tensors: [.init(name: "x", tensor: .float32(Tensor(shape: shape, elements: [1])))])
                .write(to: path)
        }
        #expect(try HDF5File.read(path).tensors == scalars(1))
    }
}
