import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// A literal for every error of what lies between the superblock and the datasets: changed bytes of a file that Tapestry
/// wrote, with one dataset 'w'.
@Suite struct HDF5StructureTests {
    private let directory: TemporaryDirectory
    private let bytes: [UInt8]

    /// Where the parts of the file begin.
    private enum Place {
        static let root = 96
        static let heap = 136
        static let names = 168
        static let symbols = 184
        static let tree = 512
        static let dataset = 1056
        static let values = 1176
    }

    init() throws {
        directory = try TemporaryDirectory()
        let path = directory.path + "/w.h5"
        try HDF5File(tensors: [.init(name: "w", tensor: .float32(Tensor(shape: [2], elements: [1, 2])))]).write(
            to: path)
        bytes = Array(try Data(contentsOf: URL(filePath: path)))
    }

    private func read(_ bytes: [UInt8]) throws -> HDF5File {
        try HDF5File.read(try directory.write(bytes, to: "f.h5"))
    }

    private func expect(
        _ changes: [Int: [UInt8]], at offset: Int, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var changed = bytes
        for (place, replacement) in changes {
            changed.replaceSubrange(place..<place + replacement.count, with: replacement)
        }
        expectFormatError(at: offset, reason, sourceLocation: sourceLocation) { _ = try read(changed) }
    }

    @Test func thePlacesAreRight() throws {
        func text(_ place: Int) -> String { String(decoding: bytes[place..<place + 4], as: UTF8.self) }
        #expect(text(Place.heap) == "HEAP" && text(Place.symbols) == "SNOD" && text(Place.tree) == "TREE")
        #expect(bytes[Place.names + 8] == UInt8(ascii: "w"))
        #expect(bytes[Place.dataset] == 1 && bytes.count == Place.values + 8)
    }

    @Test func wrongSuperblocks() {
        let word = HDF5Assembly.word
        expect([0: [0x88]], at: 0, "expected the HDF5 signature")
        expect([8: [4]], at: 8, "a superblock of version 0 to 3, found 4")
        expect([9: [1]], at: 9, "a free-space version of 0, found 1")
        expect([10: [1]], at: 10, "a root group version of 0, found 1")
        expect([12: [1]], at: 12, "a shared message version of 0, found 1")
        expect([13: [4]], at: 13, "a size of addresses of 8, found 4")
        expect([14: [4]], at: 14, "a size of lengths of 8, found 4")
        expect([16: [0]], at: 16, "half a node's capacity of at least 1, found 0")
        expect([18: [0]], at: 18, "half a node's capacity of at least 1, found 0")
        expect([24: [1]], at: 24, "expected the base address 0, found 1")
        expect([40: word(1185)], at: 40, "expected a file of 1185 bytes, found 1184")
        expect([40: HDF5Assembly.noAddress], at: 40, "expected an address of the file's end, found none")
        expect([48: word(0)], at: 48, "found one of several")
        expect([64: HDF5Assembly.noAddress], at: 64, "expected an address of the root group, found none")
        expect([64: word(1 << 63)], at: 64, "an address of the root group below 2^63")
        expect([64: word(1181)], at: 1181, "expected 4 bytes of an object header within the file's 1184 bytes")
        // The dataset's header as the root.
        expect([64: word(UInt64(Place.dataset))], at: Place.dataset, "expected a group as the root")
    }

    @Test func wrongNewSuperblocks() throws {
        let good = HDF5Assembly().bytes
        func expect(_ place: Int, _ replacement: [UInt8], isChecked: Bool = true, at offset: Int, _ reason: String) {
            var changed = good
            changed.replaceSubrange(place..<place + replacement.count, with: replacement)
            if isChecked { changed.replaceSubrange(0..<48, with: HDF5Assembly.checked(Array(changed[..<44]))) }
            expectFormatError(at: offset, reason) { _ = try read(changed) }
        }
        expect(11, [1], at: 11, "expected a file that its writer closed, found consistency flags 1")
        expect(20, HDF5Assembly.word(180), at: 180, "expected 4 bytes of an object header within")
        expect(28, HDF5Assembly.word(181), at: 28, "expected a file of 181 bytes, found 180")
        expect(44, [good[44] ^ 1], isChecked: false, at: 44, "expected the checksum")
        var damaged = good
        damaged[60] ^= 1
        expectFormatError(at: 94, "expected the checksum") { _ = try read(damaged) }
    }

    @Test func wrongExtensions() throws {
        func expect(_ kind: UInt8, _ body: [UInt8], at offset: Int, _ reason: String) {
            let (file, header) = (HDF5Assembly().bytes, HDF5Assembly.header([(kind, 0, body)]))
            let superblock = HDF5Assembly.superblock(end: file.count + header.count, extension: file.count)
            expectFormatError(at: offset, reason) { _ = try read(superblock + file[48...] + header) }
        }
        expect(0x13, [1, 1, 0, 1, 0, 1, 0], at: 192, "a message of capacities of version 0, found 1")
        expect(0x13, [0, 1, 0, 1, 0, 0, 0], at: 197, "half a node's capacity of at least 1, found 0")
        expect(0x14, [], at: 192, "expected one file that shares no messages, found a driver message")
        expect(0x0F, [], at: 192, "expected one file that shares no messages, found a sharedMessages message")
    }

    @Test func wrongOldHeaders() {
        let root = Place.root
        expect([root: [2]], at: root, "expected an object header of version 1 or 2, found neither")
        expect([root + 2: [2]], at: root, "expected 2 messages, found 1")
        expect([root + 8: [23]], at: root + 24, "expected 16 bytes of a message, found 15")
        expect([root + 8: [25]], at: Place.heap, "expected 2 bytes of a message's kind, found 1")
        expect([root + 8: [0xFF, 0xFF, 0xFF, 0xFF]], at: root + 16, "an object header of at most")
        expect([root + 8: [0, 5]], at: root + 16, "expected 1280 bytes of an object header within")
        expect([root + 16: [0x13]], at: root, "expected a group as the root")
    }

    @Test func wrongLocalHeaps() {
        let (heap, word) = (Place.heap, HDF5Assembly.word)
        expect([heap: [0]], at: heap, "expected a local heap with the signature 'HEAP'")
        expect([heap + 4: [1]], at: heap + 4, "a local heap of version 0, found 1")
        expect([heap + 8: word(1 << 40)], at: heap + 8, "expected at most 8388608 bytes of names")
        expect([heap + 8: word(2000)], at: Place.names, "expected 2000 bytes of a group's names within")
        expect([heap + 24: HDF5Assembly.noAddress], at: heap + 24, "expected an address of a group's names, found none")
        for name in [[0x2F], [0xFF], [0], [0x2E, 0]] as [[UInt8]] {
            expect([Place.names + 8: name], at: Place.names + 8, "expected a name in UTF-8, not empty")
        }
        expect([Place.names + 8: Array("12345678".utf8)], at: Place.names + 8, "and its end, found none")
    }

    @Test func wrongSymbolTables() {
        let (symbols, word) = (Place.symbols, HDF5Assembly.word)
        expect([symbols: [0]], at: symbols, "expected a symbol table node with the signature 'SNOD'")
        expect([symbols + 4: [2]], at: symbols + 4, "a symbol table node of version 1, found 2")
        expect([symbols + 6: [9]], at: symbols + 6, "expected at most 8 symbols, found 9")
        expect([symbols + 8: word(16)], at: Place.names, "found its place at 16")
        expect([symbols + 8: word(1 << 63)], at: symbols + 8, "a name's place below 2^63")
        expect([symbols + 16: HDF5Assembly.noAddress], at: symbols + 8, "expected 'w' to be a group or a dataset")
        expect([symbols + 24: [2]], at: symbols + 8, "expected 'w' to be a group or a dataset, found a soft link")
        // A second symbol, which is the first one again.
        let symbol = bytes[(symbols + 8)..<(symbols + 48)]
        expect([symbols + 6: [2], symbols + 48: Array(symbol)], at: symbols + 48, "found 'w' after 'w'")
        // The dataset is the group that it is in.
        expect([symbols + 16: word(UInt64(Place.root))], at: Place.root, "expected each group once, found 'w/' again")
    }

    @Test func wrongTrees() {
        let (tree, word) = (Place.tree, HDF5Assembly.word)
        expect([tree: [0]], at: tree, "expected a tree's node with the signature 'TREE'")
        expect([tree + 4: [1]], at: tree + 4, "expected a tree of kind 0, found 1")
        expect([tree + 5: [32]], at: tree + 5, "expected a tree of at most 31 levels, found 32")
        expect([tree + 6: [33]], at: tree + 6, "expected at most 32 children of a node, found 33")
        expect([tree + 5: [1]], at: Place.symbols, "expected a tree's node with the signature 'TREE'")
        // The node is its own child: on the level below, and by another way.
        let itself = word(UInt64(tree))
        expect([tree + 5: [1], tree + 32: itself], at: tree, "expected each node of a tree once, found one again")
        // Two children that are one.
        let symbols = word(UInt64(Place.symbols))
        expect([tree + 6: [2], tree + 48: symbols], at: Place.symbols, "expected each node of a tree once")
        expect([tree + 32: HDF5Assembly.noAddress], at: tree + 32, "expected an address of a node's child, found none")
        expect([tree + 32: word(1 << 62)], at: 1 << 62, "expected 8 bytes of a symbol table node within")
        // Capacities so large that a node would be the file many times over.
        expect([18: [0xFF, 0xFF], tree + 6: [0xFF, 0xFF]], at: tree + 6, "children of a node, found 65535")
        expect(
            [18: [0xFF, 0xFF], tree + 6: [0, 8]], at: tree + 24, "expected 32776 bytes of a node's children within")
    }

    /// Links to one dataset of no elements: what is kept for each is more than its own bytes.
    @Test func linksAreBounded() throws {
        func file(links: Int) -> [UInt8] {
            func bytes(_ value: Int, _ width: Int) -> [UInt8] { Array(HDF5Assembly.word(UInt64(value)).prefix(width)) }
            func word(_ value: Int) -> [UInt8] { bytes(value, 8) }
            // The first 136 bytes are as they were; the capacity of the one symbol table node is raised.
            var file = Array(self.bytes[..<Place.heap])
            file.replaceSubrange(16..<18, with: [0xFF, 0x7F])
            let size = 8 * (links + 1)
            let symbols = Place.names + size
            let tree = symbols + 8 + 40 * links
            let dataset = tree + 48
            file += Array("HEAP".utf8) + [0, 0, 0, 0] + word(size) + word(1) + word(Place.names) + word(0)
            for index in 0..<links { file += String(1_000_000 + index).utf8 + [0] }
            file += Array("SNOD".utf8) + [1, 0] + bytes(links, 2)
            for index in 0..<links { file += word(8 * (index + 1)) + word(dataset) + word(0) + word(0) + word(0) }
            file += Array("TREE".utf8) + [0, 0, 1, 0] + HDF5Assembly.noAddress + HDF5Assembly.noAddress
            file += word(0) + word(symbols) + word(0)
            file += self.bytes[Place.dataset...]
            // No elements: the only dimension is 0, and the layout's size.
            let space = dataset + 16 + 8 + 8
            file.replaceSubrange(space..<space + 8, with: word(0))
            let layout = dataset + Place.values - Place.dataset - 24
            file.replaceSubrange(
                layout..<layout + 24, with: [3, 1] + HDF5Assembly.noAddress + word(0) + [0, 0, 0, 0, 0, 0])
            file.replaceSubrange(40..<48, with: word(file.count))
            for place in [80, 120] { file.replaceSubrange(place..<place + 8, with: word(tree)) }
            return file
        }
        #expect(try read(file(links: 1000)).tensors.count == 1000)
        expectFormatError(at: 2_880_232, "and 32 MB in all, with their names, found more") {
            _ = try read(file(links: 60_000))
        }
    }

    @Test func levelsDescendByOne() throws {
        var file = bytes
        // A second node behind the file, level 2 below a root of level 1.
        let second = file.count
        file += file[Place.tree..<Place.tree + 544]
        file[second + 5] = 2
        file[Place.tree + 5] = 1
        file.replaceSubrange((Place.tree + 32)..<(Place.tree + 40), with: HDF5Assembly.word(UInt64(second)))
        expectFormatError(at: second + 5, "expected a node of level 0, found 2") { _ = try read(file) }
    }

    @Test func groupsWithinEachOtherAreBounded() throws {
        // 40 groups, each within the one before.
        var addresses = [48]
        let size = HDF5Assembly.header([(2, 0, HDF5Assembly.linkInfo), (6, 0, HDF5Assembly.link("g", to: 0))]).count
        for _ in 0..<40 { addresses.append(addresses[addresses.count - 1] + size) }
        let groups = addresses.dropFirst().flatMap { next in
            HDF5Assembly.header([(2, 0, HDF5Assembly.linkInfo), (6, 0, HDF5Assembly.link("g", to: next))])
        }
        let last = HDF5Assembly.header([(2, 0, HDF5Assembly.linkInfo)])
        let end = 48 + groups.count + last.count
        expectFormatError(at: 48 + 33 * size, "expected at most 32 groups within each other") {
            _ = try read(HDF5Assembly.superblock(end: end) + groups + last)
        }
    }

    @Test func tensorsOfTheSameBytesAreBounded() throws {
        func assembly(links: Int) -> HDF5Assembly {
            var assembly = HDF5Assembly()
            assembly.data = [UInt8](repeating: 0, count: 1 << 20)
            let place = assembly.bytes.count - assembly.data.count
            assembly.messages[0].body = [2, 1, 0, 1] + HDF5Assembly.word(1 << 18)
            // The links move everything behind the root group.
            assembly.messages[2].body =
                [3, 1] + HDF5Assembly.word(UInt64(place + links * 18)) + HDF5Assembly.word(1 << 20)
            assembly.rootMessages = (0..<links).map { index in
                (6, 0, HDF5Assembly.link("t" + String(index + 10), to: HDF5Assembly.dataset + links * 18))
            }
            return assembly
        }
        #expect(try read(assembly(links: 30).bytes).tensors.count == 31)
        expectFormatError(at: HDF5Assembly.dataset + 60 * 18, "expected tensors of at most twice") {
            _ = try read(assembly(links: 60).bytes)
        }
    }
}
