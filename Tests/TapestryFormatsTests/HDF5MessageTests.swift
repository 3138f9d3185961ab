import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// A literal for every error that an object header's messages can have.
@Suite struct HDF5MessageTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ bytes: [UInt8]) throws -> HDF5File {
        try HDF5File.read(try directory.write(bytes, to: "f.h5"))
    }

    /// Where the bodies of the dataset's three messages begin.
    private static let space = HDF5Assembly.firstMessage + 4
    private static let type = space + 12 + 4
    private static let layout = type + 20 + 4

    @Test func theAssemblyIsRead() throws {
        let file = try read(HDF5Assembly().bytes)
        #expect(file.tensors == [.init(name: "w", tensor: .float32(Tensor(shape: [2], elements: [1, 2])))])
    }

    private func expect(
        _ offset: Int, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation,
        _ change: (inout HDF5Assembly) -> Void
    ) {
        var assembly = HDF5Assembly()
        change(&assembly)
        expectFormatError(at: offset, reason, sourceLocation: sourceLocation) { _ = try read(assembly.bytes) }
    }

    @Test func wrongDataspaces() {
        let (space, word) = (Self.space, HDF5Assembly.word)
        expect(space, "a dataspace of version 1 or 2, found 3") { $0.messages[0].body[0] = 3 }
        expect(space + 1, "at most 32 dimensions, found 33") { $0.messages[0].body[1] = 33 }
        expect(space + 4, "expected 8 bytes of a dimension, found 0") { $0.messages[0].body = [2, 1, 0, 1] }
        expect(space, "found the empty dataspace") { $0.messages[0].body[3] = 2 }
        expect(space, "found permuted ones") { $0.messages[0].body = [1, 1, 2, 0, 0, 0, 0, 0] + word(2) }
        expect(space + 4, "a dimension below 2^63, found 9223372036854775808") {
            $0.messages[0].body = [2, 1, 0, 1] + word(1 << 63)
        }
        expect(space, "expected a shape that fits in memory") {
            $0.messages[0].body = [2, 2, 0, 1] + word(1 << 62) + word(4)
        }
        expect(space, "expected a shape that fits in memory") { $0.messages[0].body = [2, 1, 0, 1] + word(1 << 62) }
        expect(HDF5Assembly.dataset, "expected tensors of at most twice the file's") {
            $0.messages[0].body = [2, 1, 0, 1] + word(1 << 40)
            $0.messages[2].body = [3, 1] + word(0) + word(1 << 42)
        }
    }

    @Test func wrongDatatypes() {
        let type = Self.type
        let names = [
            2: "times", 3: "strings", 4: "bit fields", 5: "opaque values", 6: "compound values", 7: "references",
            8: "enumerated values", 9: "values of variable length", 10: "arrays", 11: "complex numbers", 12: "type 12",
        ]
        for (number, name) in names {
            expect(type, "expected integers or floating-point numbers, found \(name)") {
                $0.messages[1].body[0] = UInt8(0x10 + number)
            }
        }
        expect(type, "a datatype of version 1 to 5, found 6") { $0.messages[1].body[0] = 0x61 }
        let bits = "expected IEEE 754 numbers of 2, 4 or 8 bytes or bfloat16"
        for (place, value) in [
            (1, 0x60), (1, 0x10), (2, 30), (4, 8), (8, 1), (10, 31), (12, 22), (13, 9), (14, 1), (15, 22),
        ] {
            expect(type, bits) { $0.messages[1].body[place] = UInt8(value) }
        }
        expect(type, bits) { $0.messages[1].body[17] = 1 }
        let int: [UInt8] = [0x10, 8, 0, 0, 4, 0, 0, 0, 0, 0, 32, 0]
        expect(type, "expected integers that fill their 4 bytes, found 31 bits") {
            $0.messages[1].body = int
            $0.messages[1].body[10] = 31
        }
        expect(type, "expected integers of 1, 2, 4 or 8 bytes, found 3") {
            $0.messages[1].body = int
            $0.messages[1].body[4] = 3
            $0.messages[1].body[10] = 24
        }
        expect(type + 8, "expected 2 bytes of an integer's place, found 0") { $0.messages[1].body = Array(int[..<8]) }
    }

    @Test func wrongLayouts() {
        let (layout, word) = (Self.layout, HDF5Assembly.word)
        expect(layout, "a layout of version 3 to 5, found 2") { $0.messages[2].body[0] = 2 }
        expect(layout, "found a virtual dataset") { $0.messages[2].body[1] = 3 }
        expect(layout, "a layout of class 0 to 2, found 4") { $0.messages[2].body[1] = 4 }
        expect(layout, "expected 8 bytes of values, found 12") { $0.messages[2].body = [3, 1] + word(0) + word(12) }
        expect(HDF5Assembly.dataset, "expected values, found a dataset that none were ever written to") {
            $0.messages[2].body = [3, 1] + HDF5Assembly.noAddress + word(8)
        }
        expect(176, "expected 8 bytes of values within the file's 180 bytes") {
            $0.messages[2].body = [3, 1] + word(176) + word(8)
        }
        expect(layout + 2, "an address of the values below 2^63") {
            $0.messages[2].body = [3, 1] + word(1 << 63) + word(8)
        }
        expect(1 << 62, "expected 8 bytes of values within the file's 180 bytes") {
            $0.messages[2].body = [3, 1] + word(1 << 62) + word(8)
        }
        expect(layout, "expected 8 bytes of values, found 4") { $0.messages[2].body = [3, 0, 4, 0, 1, 2, 3, 4] }
        expect(layout + 4, "expected 8 bytes of values, found 4") { $0.messages[2].body = [3, 0, 8, 0, 1, 2, 3, 4] }
    }

    @Test func wrongChunks() {
        let layout = Self.layout
        func chunks(_ dimensions: [UInt8], version: UInt8 = 3, rank: UInt8 = 2) -> [UInt8] {
            [version, 2, rank] + HDF5Assembly.noAddress + dimensions.flatMap { [$0, 0, 0, 0] }
        }
        expect(layout, "found a newer index") { $0.messages[2].body = chunks([2, 4], version: 4) }
        expect(layout, "expected chunks of 1 dimensions and the element's size, found 3") {
            $0.messages[2].body = chunks([2, 2, 4], rank: 3)
        }
        expect(layout, "expected chunks with elements of 4 bytes, found [2, 8]") {
            $0.messages[2].body = chunks([2, 8])
        }
        expect(layout, "expected chunks with elements of 4 bytes, found [0, 4]") {
            $0.messages[2].body = chunks([0, 4])
        }
        expect(layout, "expected values, found a dataset that none were ever written to") {
            $0.messages[2].body = chunks([2, 4])
        }
        // The dataspace is shorter by one dimension.
        expect(layout - 8, "expected chunks of 0 dimensions") {
            $0.messages[0].body = [2, 0, 0, 0]
            $0.messages[2].body = chunks([4], rank: 1)
        }
    }

    @Test func wrongFilters() {
        // The filters' message comes last, behind the layout's.
        let filters = Self.layout + 18 + 4
        func expectFilters(_ body: [UInt8], _ reason: String, sourceLocation: SourceLocation = #_sourceLocation) {
            expect(filters, reason, sourceLocation: sourceLocation) { $0.messages.append((0x0B, 0, body)) }
        }
        expectFilters([3, 0], "filters of version 1 or 2, found 3")
        expectFilters([2, 1, 2, 0], "found shuffle")
        expectFilters([2, 1, 0, 125], "found lzf")
        expectFilters([2, 1, 0, 1], "found filter 256")
        expectFilters([1, 2, 0, 0, 0, 0, 0, 0, 1, 0], "found 2 filters")
        expectFilters([2, 1, 1, 0], "expected no filters without chunks, found some")
        expect(filters, "found them in external files") { $0.messages.append((0x07, 0, [])) }
    }

    @Test func wrongMessages() {
        let first = HDF5Assembly.firstMessage
        expect(HDF5Assembly.dataset, "expected a dataset with a shape, a type and a layout") {
            $0.messages.remove(at: 1)
        }
        expect(Self.type, "expected one dataspace message, found another") { $0.messages[1] = $0.messages[0] }
        expect(Self.type, "found it shared with other objects") { $0.messages[1].flags = 2 }
        expect(first + 4, "found kind 200, which its writer forbids to") {
            $0.messages.insert((200, 0x80, []), at: 0)
        }
        expect(first + 4, "expected an address of more of an object header, found none") {
            $0.messages.insert((0x10, 0, HDF5Assembly.noAddress), at: 0)
        }
        expect(HDF5Assembly.dataset, "expected each part of an object header once, found one again") {
            $0.messages.insert((0x10, 0, HDF5Assembly.word(98) + HDF5Assembly.word(40)), at: 0)
        }
        expect(48, "expected a part of an object header with the signature 'OCHK'") {
            // It is the root's header whose bytes have a checksum, too.
            $0.messages.insert((0x10, 0, HDF5Assembly.word(48) + HDF5Assembly.word(49)), at: 0)
        }
        expect(0, "expected an object header of at most 4194304 bytes") {
            $0.messages.insert((0x10, 0, HDF5Assembly.word(0) + HDF5Assembly.word(1 << 40)), at: 0)
        }
    }

    @Test func endlessMessagesAreRefused() {
        // 32,769 empty messages behind the three of the dataset, which fill a continuation of their own.
        var assembly = HDF5Assembly()
        let more = HDF5Assembly.checked(Array("OCHK".utf8) + [UInt8](repeating: 0, count: 4 * 32769))
        assembly.messages.append((0x10, 0, HDF5Assembly.word(0) + HDF5Assembly.word(UInt64(more.count))))
        let place = assembly.bytes.count
        assembly.messages[3].body = HDF5Assembly.word(UInt64(place)) + HDF5Assembly.word(UInt64(more.count))
        assembly.data += more
        // The four messages before them count, too.
        expectFormatError(at: place + 4 + 4 * 32765, "expected at most 32768 messages, found more") {
            _ = try read(assembly.bytes)
        }
    }

    @Test func unknownMessagesArePassedBy() throws {
        var assembly = HDF5Assembly()
        assembly.messages.append((200, 0x20, [1, 2, 3]))
        assembly.messages[2].body = [3, 0, 8, 0] + assembly.data
        #expect(try read(assembly.bytes)["w"]?.float32?.elements == [1, 2])
    }

    @Test func wrongLinks() {
        // The root group has a link information message, then the link to 'w', then the test's.
        let place = 48 + 8 + 22 + 16 + 4
        func expectLink(
            _ body: [UInt8], at offset: Int? = nil, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            expect(offset ?? place, reason, sourceLocation: sourceLocation) { $0.rootMessages = [(6, 0, body)] }
        }
        let end = HDF5Assembly.word(48)
        expectLink([2, 0, 1, 120] + end, "expected a link of version 1, found 2")
        expectLink([1, 8, 1, 1, 120, 0, 0], "expected 'x' to be a group or a dataset, found a soft link")
        expectLink([1, 8, 64, 1, 120, 0, 0], "expected 'x' to be a group or a dataset, found an external link")
        expectLink([1, 1, 1, 0x10], at: place + 2, "expected a name of at most 4096 bytes, found 4097")
        expectLink([1, 0, 0] + end, at: place + 3, "expected a name in UTF-8")
        expectLink([1, 0, 1, 0x2F] + end, at: place + 3, "expected a name in UTF-8")
        expectLink([1, 0, 1, 0xFF] + end, at: place + 3, "expected a name in UTF-8")
        expectLink(HDF5Assembly.link("w", to: 48), "expected distinct names, found 'w' twice")
        expectLink([1, 0, 1, 120] + HDF5Assembly.noAddress, at: place + 4, "expected an address of an object header")
        expectLink(HDF5Assembly.link("x", to: 48), at: 48, "expected each group once, found 'x/' again")
        expectLink(HDF5Assembly.link("x", to: 0), at: 0, "expected an object header of version 1 or 2, found neither")
        expectLink(HDF5Assembly.link("x", to: 1000), at: 1000, "expected 4 bytes of an object header within")
    }
}
