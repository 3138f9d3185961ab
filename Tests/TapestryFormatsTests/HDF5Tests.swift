import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// Files of h5py's (Scripts/fixtures/hdf5.py), and of Tapestry's own.
@Suite struct HDF5Tests {
    private func read(_ name: String) throws -> HDF5File { try HDF5File.read(Fixture.path("hdf5/\(name).h5")) }

    /// What the fixtures' script puts into a dataset: (7 i mod 11) - 5, a half of that for floating-point numbers, and
    /// 7 i mod 11 for unsigned ones; as Tapestry holds it.
    private func expected(_ type: String, _ shape: Shape) -> StoredTensor {
        func values<Value>(_ convert: (Int) -> Value) -> Tensor<Value> {
            Tensor(shape: shape, elements: (0..<shape.count).map { convert($0 * 7 % 11) })
        }
        switch type {
        case "f2", "f4", "f8": return .float32(values { Float($0 - 5) / 2 })
        case "i1", "i2", "i4": return .int32(values { Int32($0 - 5) })
        case "i8": return .int64(values { Int64($0 - 5) })
        case "u1": return .uint8(values { UInt8($0) })
        case "u2": return .int32(values { Int32($0) })
        default: return .int64(values { Int64($0) })
        }
    }

    @Test func everyTypeInBothByteOrders() throws {
        let file = try read("types")
        #expect(file.tensors.count == 22)
        for entry in file.tensors {
            #expect(entry.tensor == expected(String(entry.name.prefix(2)), [2, 3]), "\(entry.name)")
        }
        let names = try HDF5File.typeNames(in: Fixture.path("hdf5/types.h5"))
        #expect(names["f2be"] == "F16" && names["f8le"] == "F64" && names["u2be"] == "U16" && names["i8le"] == "I64")
    }

    @Test func extremeValues() throws {
        let file = try read("extremes")
        #expect(file["i1"] == .int32(Tensor(shape: [2], elements: [-128, 127])))
        #expect(file["i2"] == .int32(Tensor(shape: [2], elements: [-32768, 32767])))
        #expect(file["i4"] == .int32(Tensor(shape: [2], elements: [.min, .max])))
        #expect(file["i8"] == .int64(Tensor(shape: [2], elements: [.min, .max])))
        #expect(file["u1"] == .uint8(Tensor(shape: [2], elements: [0, 255])))
        #expect(file["u2"] == .int32(Tensor(shape: [2], elements: [0, 65535])))
        #expect(file["u4"] == .int64(Tensor(shape: [2], elements: [0, 4_294_967_295])))
        for (name, tiny) in ["f2": 0x1p-14, "f4": 0x1p-126, "f8": 0] as [String: Float] {
            let elements = try #require(file[name]?.float32?.elements)
            #expect(elements[0] == 0 && elements[0].sign == .minus)
            #expect(elements[1] == .infinity && elements[2] == -.infinity && elements[3].isNaN && elements[4] == tiny)
        }
        #expect(file["scalar"] == .int64(Tensor(shape: [], elements: [-7])))
        #expect(file["empty"] == .float32(Tensor(shape: [3, 0], elements: [])))
        #expect(file["row"] == expected("f4", [1]))
    }

    @Test func manyDatasets() throws {
        let file = try read("many")
        let names = (0..<130).map { "layer\($0).weight" }
        #expect(file.tensors.map(\.name) == names.sorted())
        for (index, name) in names.enumerated() {
            #expect(file[name] == .float32(Tensor(shape: [], elements: [Float(index)])))
        }
    }

    @Test(arguments: ["deep", "extension"])
    func treesOfSeveralLevels(name: String) throws {
        let file = try read(name)
        #expect(file.tensors.count == (name == "deep" ? 25 : 3))
        for entry in file.tensors where entry.name != "chunks" {
            #expect(entry.tensor == .int64(Tensor(shape: [], elements: [Int64(entry.name.dropFirst()) ?? -1])))
        }
        #expect(file["chunks"] == expected("f4", [9, 4]))
    }

    @Test func nestedGroupsAndCompactValues() throws {
        let file = try read("nested")
        #expect(file.tensors.map(\.name) == ["a/b/bias", "a/b/c/weight", "a/compact", "compact", "top", "z"])
        #expect(file["a/b/bias"] == expected("f8", [3]))
        #expect(file["a/b/c/weight"] == expected("f4", [2, 2]))
        #expect(file["a/compact"] == expected("i2", [5]))
        #expect(file["compact"] == expected("f4", [2, 3]))
        #expect(file["top"] == expected("f4", [2]))
        #expect(file["z"] == file["top"])
    }

    @Test func attributesArePassedBy() throws {
        #expect(try read("attributes").tensors == [.init(name: "w", tensor: expected("f4", [2, 2]))])
    }

    @Test func theOrderOfCreationIsKept() throws {
        let file = try read("order")
        #expect(file.tensors.map(\.name) == ["zeta", "alpha", "middle"])
        #expect(file.tensors.allSatisfy { $0.tensor == expected("f4", [2]) })
    }

    @Test(arguments: ["superblock2", "superblock3", "latest"])
    func newerVersions(name: String) throws {
        let file = try read(name)
        #expect(file.tensors.count == 5)
        #expect(file["w"] == expected("f4", [2, 3, 2]))
        #expect(file["b"] == expected("f8", [3]))
        #expect(file["steps"] == .int64(Tensor(shape: [], elements: [42])))
        #expect(file["group/v"] == expected("f2", [4]))
        #expect(file["compact"] == expected("u1", [2, 2]))
    }

    @Test func chunks() throws {
        let file = try read("chunked")
        #expect(file.tensors.count == 7)
        #expect(file["line"] == expected("i8", [130]))
        #expect(file["plane"] == expected("f4", [5, 7]))
        #expect(file["rows"] == expected("f4", [5, 3, 2]))
        #expect(file["columns"] == expected("f4", [4, 5, 2]))
        #expect(file["whole"] == expected("f4", [3, 4]))
        #expect(file["wide"] == expected("f4", [3]))
        #expect(file["none"] == expected("f4", [0, 4]))
    }

    @Test func compressedChunks() throws {
        let file = try read("gzip")
        #expect(file.tensors.count == 3)
        #expect(file["plane"] == expected("f4", [5, 7]))
        #expect(file["half"] == expected("f2", [40, 50]))
        #expect(file["large"] == expected("f8", [300, 301]))
        let small = try read("gzip-small")
        #expect(small["cube"] == expected("f2", [3, 2, 2]))
        #expect(small["plane"] == expected("i2", [5, 4]))
    }

    @Test func aMissingFileIsNamed() {
        #expect(throws: InputNotFound.self) { try HDF5File.read("/nonexistent/x.h5") }
    }
}

/// Bob Jenkins' own examples of lookup3.
@Suite struct Lookup3Tests {
    @Test func knownChecksums() {
        #expect(Lookup3.hash([]) == 0xDEAD_BEEF)
        #expect(Lookup3.hash(Array("Four score and seven years ago".utf8)[...]) == 0x1777_0551)
    }
}
