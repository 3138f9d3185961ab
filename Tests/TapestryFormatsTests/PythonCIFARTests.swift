import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct PythonCIFARTests {
    private func parse(_ bytes: [UInt8]) throws -> LabelledImages {
        try CIFARImages.parsePython(bytes, file: "f", variant: .cifar10)
    }

    private static let files = [
        "python2", "python3-protocol2", "python3-protocol3", "python3-protocol4",
    ].map { "cifar/\($0).pickle" }

    @Test(arguments: files)
    func picklesOfEveryProtocolGiveTheSameImages(name: String) throws {
        let images = try parse(Fixture.bytes(name))
        #expect(images.labels == [3, 9])
        let expected = try SafetensorsFile.read(Fixture.path("cifar/pixels.safetensors"))["pixels"]
        #expect(expected == .uint8(Tensor(shape: [2, 32, 32, 3], elements: images.pixels)))
    }

    @Test(arguments: files)
    func everyTruncationIsRefused(name: String) throws {
        #expect(Damage.truncationsAccepted(of: try Fixture.bytes(name)) { _ = try parse($0) } == [])
    }

    @Test(arguments: files)
    func damageIsRefusedOrRead(name: String) throws {
        // The strings are most of the file: what stands around them is what the reader must survive.
        let bytes = try Fixture.bytes(name)
        let surprises = Damage.flip(bytes, for: .milliseconds(200), expecting: FormatError.self) { _ = try parse($0) }
        #expect(surprises.isEmpty)
        var random = RandomStream(seed: 7, purpose: .test)
        for _ in 0..<2000 {
            var damaged = bytes
            let place =
                random.integer(below: 2) == 0
                ? random.integer(below: 250) : bytes.count - 1 - random.integer(below: 150)
            damaged[place] = UInt8(truncatingIfNeeded: random.next())
            do { _ = try parse(damaged) } catch is FormatError {}
        }
    }

    @Test func nothingIsExecuted() {
        let system = "cos\nsystem\n(U\u{2}idtR."
        expectFormatError(at: 0, "os.system, which is not executed") { _ = try parse(Array(system.utf8)) }
        let text: [UInt8] = [0x80, 4, 0x8C, 2] + "os".utf8 + [0x8C, 6] + "system".utf8 + [0x93]
        expectFormatError(at: 14, "os.system, which is not executed") { _ = try parse(text) }
    }

    @Test func wrongBytesAreNamed() {
        let cases: [(bytes: [UInt8], offset: Int?, reason: String)] = [
            ([], 0, "expected 1 bytes of pickle opcode, found 0"),
            ([0x80, 6], 0, "expected pickle protocol 2 to 5, found 6"),
            (Array("i".utf8), 0, "found 0x69"),
            (Array(".".utf8), 0, "expected one value at the pickle's end, found 0"),
            (Array("N.N".utf8), 2, "expected the end of the file"),
            (Array("N.".utf8), nil, "expected a pickled dictionary"),
            (Array("}.".utf8), nil, "expected 'data'"),
            (Array("h\u{1}.".utf8), 0, "expected a remembered value, found none at 1"),
            (Array("]q\u{1}h\u{1}a.".utf8), 5, "expected a container that nothing holds yet"),
            (Array("NNs".utf8), 2, "expected a dictionary"),
            (Array("}NNs.".utf8), nil, "expected a string as key, found None"),
            (Array("e".utf8), 0, "expected a mark, found none"),
            (Array("Na".utf8), 1, "expected a list to append to"),
            (Array("NNR".utf8), 2, "expected a function"),
            (Array("NNb".utf8), 2, "expected an object without state to give it to, found None"),
            (Array("}(U\u{4}datacnumpy\ndtype\n)R)bu.".utf8), nil, "expected 'data'"),
            (Array("}(U\u{4}datacnumpy\ndtype\n)Ru.".utf8), nil, "expected 'data'"),
            (Array("cnumpy".utf8), 1, "expected a line of module"),
            (Array(")".utf8) + [UInt8](repeating: 0x85, count: 9), 8, "expected at most 8 levels"),
            (Array("T".utf8) + [255, 255, 255, 255], 5, "expected 4294967295 bytes of string, found 0"),
            ([0x8E] + [UInt8](repeating: 255, count: 8), 0, "expected a length"),
            ([0x8C, 1, 0xFF], 0, "expected UTF-8"),
        ]
        for (bytes, offset, reason) in cases {
            expectFormatError(at: offset, reason) { _ = try parse(bytes) }
        }
    }

    /// The pickle of a list of names under CIFAR-10's key.
    private static func names(_ list: [UInt8]) -> [UInt8] {
        [0x80, 2] + "}U\u{B}label_names](".utf8 + list + "es.".utf8
    }

    @Test func classNamesAreRead() throws {
        func parse(_ bytes: [UInt8], isPython: Bool = true) throws -> [String] {
            try CIFARImages.parseClassNames(bytes, file: "f", variant: .cifar10, isPython: isPython)
        }
        let name = Array("U\u{1}aq\0".utf8)
        let repeated = Array("h\0".utf8)
        #expect(
            try parse(Self.names(name + Array(repeating: repeated, count: 9).joined()))
                == Array(repeating: "a", count: 10))
        #expect(try parse(Array("a\r\nb\n\nc\nd\ne\nf\ng\nh\ni\nj".utf8), isPython: false).joined() == "abcdefghij")
        expectFormatError("expected 10 class names, found 2") { _ = try parse(Array("a\nb".utf8), isPython: false) }
        expectFormatError("expected 'label_names', a list") { _ = try parse(Array("}.".utf8)) }
        expectFormatError("expected a class name, found None") {
            _ = try parse(Self.names([UInt8](repeating: 0x4E, count: 10)))
        }
        // A long string in many places: one copy for each would fill the memory.
        let long = Array("T\0\0\u{8}\0".utf8) + [UInt8](repeating: 0x61, count: 1 << 19) + Array("q\0".utf8)
        expectFormatError("expected 10 class names, found 100001") {
            _ = try parse(Self.names(long + Array(repeating: repeated, count: 100_000).joined()))
        }
        expectFormatError("expected a class name, found 524288 bytes") {
            _ = try parse(Self.names(long + Array(repeating: repeated, count: 9).joined()))
        }
        expectFormatError("expected a string as key, found 524288 bytes") {
            _ = try parse(
                Array("}(".utf8) + long + "N".utf8 + Array(repeating: repeated + [0x4E], count: 100_000).joined()
                    + "u.".utf8)
        }
    }

    @Test func aFolderOfPicklesIsADataSet() throws {
        let directory = try TemporaryDirectory()
        let folder = CIFARVariant.cifar10.pythonFolder
        for name in CIFARVariant.cifar10.pythonFiles(of: .train) {
            try directory.write(try Fixture.bytes("cifar/python2.pickle"), to: "\(folder)/\(name)")
        }
        try directory.write(try Fixture.bytes("cifar/meta.pickle"), to: "\(folder)/batches.meta")
        let images = try CIFARImages.read(.cifar10, directory: directory.path, split: .train)
        #expect(images.count == 10)
        #expect(images.classNames[2] == "class 2")
    }
}
