import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// Files cut short and with bytes changed: nothing but a `FormatError` comes of them.
@Suite struct HDF5DamageTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ bytes: [UInt8]) throws {
        _ = try HDF5File.read(try directory.write(bytes, to: "f.h5"))
    }

    @Test func everyTruncationOfASmallFileIsRefused() throws {
        let path = directory.path + "/w.h5"
        try HDF5File(tensors: [
            .init(name: "w", tensor: .float32(Tensor(shape: [2], elements: [1, 2]))),
            .init(name: "n", tensor: .int64(Tensor(shape: [], elements: [7]))),
        ]).write(to: path)
        let written = Array(try Data(contentsOf: URL(filePath: path)))
        #expect(Damage.truncationsAccepted(of: written, by: read) == [])
        #expect(Damage.truncationsAccepted(of: HDF5Assembly().bytes, by: read) == [])
    }

    @Test(arguments: ["types", "nested", "deep", "extension", "attributes", "gzip", "gzip-small", "latest"])
    func truncationsOfFilesAreRefused(name: String) throws {
        let bytes = try Fixture.bytes("hdf5/\(name).h5")
        #expect(Damage.truncationsAccepted(of: bytes, every: 7, by: read) == [])
    }

    @Test(arguments: [
        "types", "many", "nested", "deep", "attributes", "order", "chunked", "gzip", "gzip-small", "latest",
        "extension",
    ])
    func damageIsSurvived(name: String) throws {
        let bytes = try Fixture.bytes("hdf5/\(name).h5")
        #expect(Damage.flip(bytes, for: .milliseconds(400), expecting: FormatError.self, by: read).isEmpty)
    }

    /// Most bytes of a file are values or unused; those that say something are changed here.
    @Test(arguments: ["nested", "deep", "chunked", "gzip", "gzip-small"])
    func damageToStructuresIsSurvived(name: String) throws {
        let bytes = try Fixture.bytes("hdf5/\(name).h5")
        let places = bytes.indices.filter { bytes[$0] != 0 && bytes[$0] != 0xFF }
        try RandomRounds.run(for: .milliseconds(400)) { random in
            var damaged = bytes
            for _ in 0..<random.integer(in: 1...3) {
                let place = places[random.integer(below: places.count)]
                let hostile: [UInt8] = [0, 1, 2, 0x7F, 0x80, 0xFF, bytes[place] &+ 1, bytes[place] &- 1]
                damaged[place] = hostile[random.integer(below: hostile.count)]
            }
            do { try read(damaged) } catch is FormatError {}
        }
    }

    /// Damage behind right checksums, which random bytes never have.
    @Test func damageWithRightChecksumsIsSurvived() throws {
        try RandomRounds.run(for: .milliseconds(400)) { random in
            var assembly = HDF5Assembly()
            if random.integer(below: 2) == 0 {
                assembly.messages[2].body = [3, 2, 2] + HDF5Assembly.word(172) + [2, 0, 0, 0, 4, 0, 0, 0]
                assembly.messages.append((0x0B, 0, [2, 1, 1, 0, 1, 0, 1, 0, 9, 0, 0, 0]))
            }
            if random.integer(below: 4) == 0 {
                assembly.messages.append((0x10, 0, HDF5Assembly.word(98) + HDF5Assembly.word(40)))
            }
            for _ in 0..<random.integer(in: 1...4) {
                let index = random.integer(below: assembly.messages.count)
                if random.integer(below: 4) == 0 {
                    assembly.messages[index].kind = UInt8(random.integer(below: 0x19))
                } else {
                    assembly.messages[index].body = random.flippingBytes(of: assembly.messages[index].body)
                }
            }
            do { try read(assembly.bytes) } catch is FormatError {}
        }
    }
}
