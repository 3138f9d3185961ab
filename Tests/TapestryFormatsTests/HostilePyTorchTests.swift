import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// What a checkpoint must not be able to do, and what it is told.
@Suite struct HostilePyTorchTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ bytes: [UInt8]) throws -> PyTorchCheckpoint {
        try PyTorchCheckpoint.read(try directory.write(bytes, to: "f.pt"))
    }

    /// Reads a legacy file with that value, whose first opcode is at byte 0 of what `expectValueError` counts.
    private func expectValueError(
        at offset: Int? = nil, _ value: [UInt8], _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var file = LegacyFile(value: value)
        if !value.contains(PickleBytes.text("storage")) {
            file.keys = []
            file.storages = []
        }
        expectFormatError(at: offset.map { $0 + file.valueOffset }, reason, sourceLocation: sourceLocation) {
            _ = try read(file.bytes)
        }
    }

    private func expectTensorError(
        _ tensor: [UInt8], _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        // The call stands at the tensor's end.
        let value = PickleBytes.dictionary([("w", tensor)])
        expectValueError(at: value.count - 2, value, reason, sourceLocation: sourceLocation)
    }

    @Test func theFileThatTheOthersDepartFromIsRead() throws {
        let numbers: [Float] = [1, 2, 3, 4]
        var file = LegacyFile(value: PickleBytes.dictionary([("w", PickleBytes.tensor())]))
        file.storages[0].bytes = numbers.flatMap { PickleBytes.littleEndian(Int($0.bitPattern), 4) }
        let expected = [NamedTensor(name: "w", tensor: .float32(Tensor(shape: [2, 2], elements: numbers)))]
        #expect(try read(file.bytes).tensors == expected)
        #expect(try read(ZipFile.checkpoint(storage: file.storages[0].bytes).bytes).tensors == expected)
        let module = PickleBytes.module(parameters: PickleBytes.dictionary([("w", PickleBytes.tensor())]))
        file.value = PickleBytes.dictionary([("net", module)])
        #expect(try read(file.bytes).tensors == expected)
    }

    @Test(arguments: [
        ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"), ("__builtin__", "eval"),
        ("builtins", "getattr"), ("subprocess", "Popen"), ("runpy", "_run_code"), ("torch", "load"),
        ("torch.hub", "load"), ("torch._utils", "_rebuild_wrapper_subclass"), ("torch.storage", "_load_from_bytes"),
        ("torch.serialization", "load"), ("numpy", "load"), ("modelsx.a", "A"), ("torch.nnx", "A"),
        ("_codecs", "decode"),
    ])
    func nothingIsExecuted(module: String, name: String) {
        let reason = "\(module).\(name), which is not executed"
        expectValueError(at: 0, Array("c\(module)\n\(name)\n(".utf8) + PickleBytes.text("id") + "tR".utf8, reason)
        let texts = PickleBytes.text(module) + PickleBytes.text(name)
        expectValueError(at: texts.count, texts + [0x93, 0x29, 0x52], reason)
        let zip = ZipFile.checkpoint(value: Array("c\(module)\n\(name)\n)R".utf8))
        expectFormatError(at: 42, reason) { _ = try read(zip.bytes) }
    }

    @Test func namesThatMayStandInAFileAreNotCalledEither() {
        expectValueError(Array("ctorch.nn.functional\nrelu\n)R".utf8), "found an object of torch.nn.functional.relu")
        expectValueError(Array("cmodels.net\nNet\n".utf8), "network module, found models.net.Net")
        expectValueError(Array("cmodels.net\nNet\n)".utf8) + [0x81], "found an object of models.net.Net")
        let tensor = Array("ctorch._utils\n_rebuild_tensor\n)R".utf8)
        expectTensorError(tensor, "expected the arguments of torch._utils._rebuild_tensor, found 0")
        expectTensorError(
            Array("ctorch._utils\n_rebuild_parameter\n(NNNtR".utf8), "expected a tensor as parameter, found None")
    }

    @Test func wrongOpcodesAreNamed() {
        let cases: [(bytes: [UInt8], offset: Int, reason: String)] = [
            ([0x80, 6], 0, "expected pickle protocol 2 to 5, found 6"), (Array("S'a'\n".utf8), 0, "found 0x53"),
            (Array("i".utf8), 0, "found 0x69"), ([0x82, 1], 0, "found 0x82"),
            (Array("0".utf8), 0, "found 0x30"), (Array("2".utf8), 0, "found 0x32"),
            (Array("P1\n".utf8), 0, "found 0x50"),
            ([], 0, "expected one value at the pickle's end, found 0"), (Array("NN".utf8), 2, "found 2"),
            (Array("(N".utf8), 2, "expected one value at the pickle's end"), (Array("a".utf8), 0, "expected 1 values"),
            (Array("Na".utf8), 1, "expected a list to append to"), (Array("NNa".utf8), 2, "to append to, found None"),
            (Array("](a".utf8), 2, "expected 1 values, found fewer"), (Array("e".utf8), 0, "expected a mark"),
            (Array("t".utf8), 0, "expected a mark, found none"), ([0x85], 0, "expected 1 values, found fewer"),
            (Array("}(Nu".utf8), 3, "expected a dictionary and pairs"),
            (Array("NNNs".utf8), 3, "pairs for it, found None"),
            (Array("}]Ns".utf8), 3, "expected a key without parts, found a list"), (Array("h\0".utf8), 0, "none at 0"),
            (Array("j\0\0\0\0".utf8), 0, "none at 0"), (Array("q\0".utf8), 0, "expected a value to remember"),
            (Array("NQ".utf8), 1, "expected a tuple as persistent identifier"),
            (Array("NNR".utf8), 2, "expected a function"),
            (Array("}}b".utf8), 2, "expected an object without state"),
            (Array("Ix\n".utf8), 0, "expected an integer of"),
            (Array("I99999999999999999999\n".utf8), 0, "expected an integer of 64 bits"),
            (Array("ca\u{1B}\nb\n".utf8), 0, "expected a name of letters"),
            (Array("c\nb\n".utf8), 0, "expected a name"),
            ([0x8C, 1, 0xFF], 0, "expected UTF-8"), (Array("NN".utf8) + [0x93], 2, "expected a module and a name"),
        ]
        for (bytes, offset, reason) in cases { expectValueError(at: offset, bytes, reason) }
    }

    @Test func lengthsAreBelievedOnlyAsFarAsThereAreBytes() {
        let huge = [UInt8](repeating: 0xFF, count: 8)
        let most = [UInt8](repeating: 0xFF, count: 7) + [0x7F]
        for opcode: UInt8 in [0x8D, 0x8E, 0x96] {
            expectValueError(at: 0, [opcode] + huge, "expected a length, found 18446744073709551615")
            expectValueError(at: 9, [opcode] + most, "expected 9223372036854775807 bytes of string")
        }
        for opcode in "TBX".utf8 {
            expectValueError(at: 5, [opcode] + huge.prefix(4), "expected 4294967295 bytes of string")
        }
        expectValueError(at: 5, [0x8B] + huge.prefix(4), "expected 4294967295 bytes of integer")
        expectValueError(at: 5, [0x8B, 0, 0, 0, 0x80], "expected 2147483648 bytes of integer")
        expectValueError(at: 0, [0x95] + huge, "expected a frame of at most")
        // A memo's index is a key, not a size.
        expectValueError(Array("Nr".utf8) + huge.prefix(4), "network module, found None")
    }

    @Test func nothingIsDeeperThanAllowedOrHoldsItself() {
        expectValueError(at: 128, Array(")".utf8) + [UInt8](repeating: 0x85, count: 200), "at most 128 levels")
        let lists = [UInt8](repeating: 0x5D, count: 200) + [UInt8](repeating: 0x61, count: 199)
        expectValueError(at: 200 + 127, lists, "at most 128 levels")
        expectValueError(at: 5, Array("]q\0h\0a".utf8), "a list that is held")
        expectValueError(at: 6, Array("}q\0Nh\0s".utf8), "a dictionary that is held")
        // The second list holds the first, and then the first is to hold the second.
        expectValueError(at: 13, Array("]q\0]q\u{1}h\0ah\0h\u{1}a".utf8), "a list that is held")
        let object = Array("ccollections\nOrderedDict\n)Rq\0".utf8)
        expectValueError(at: object.count + 3, object + Array("Nh\0s".utf8), "that is held")
        expectValueError(at: object.count + 2, object + Array("h\0b".utf8), "that is held")
    }

    @Test func sharedValuesDoNotMultiply() {
        // Thirty levels of dictionaries, each with the one below it twice.
        var facts = Array("}q\0".utf8)
        for level in 1...30 {
            let below: [UInt8] = [0x68, UInt8(level - 1)]
            facts += PickleBytes.dictionary([("a", below), ("b", below)]) + [0x71, UInt8(level)]
        }
        let tuple = Array("(".utf8) + facts + "t".utf8
        let value = PickleBytes.dictionary([
            ("bomb", tuple), ("net", PickleBytes.dictionary([("w", PickleBytes.tensor())])),
        ])
        #expect(throws: Never.self) { _ = try read(LegacyFile(value: value).bytes) }
        let reachable = PickleBytes.dictionary([
            ("first", tuple), ("bomb", [0x68, 30]), ("net", PickleBytes.dictionary([("w", PickleBytes.tensor())])),
        ])
        expectValueError(reachable, "expected contents that fit in")
        var modules = PickleBytes.module() + Array("q\0".utf8)
        for level in 1...20 {
            let below: [UInt8] = [0x68, UInt8(level - 1)]
            modules +=
                PickleBytes.module(modules: PickleBytes.dictionary([("a", below), ("b", below)])) + [
                    0x71, UInt8(level),
                ]
        }
        expectValueError(
            PickleBytes.dictionary([("x", Array("(".utf8) + modules + "t".utf8), ("net", [0x68, 20])]), "fit in")
    }

    @Test func manyValuesInFewBytesAreRefused() {
        let count = 1 << 19
        expectValueError(
            Array("](".utf8) + [UInt8](repeating: 0x5D, count: count) + "e".utf8, "bytes of memory, found more")
        expectValueError(
            Array("N".utf8) + (0..<count).flatMap { Array("r".utf8) + PickleBytes.littleEndian($0, 4) },
            "bytes of memory, found more")
    }

    @Test func aTensorUnderManyNamesIsChargedInEach() {
        let ones = [Int](repeating: 1, count: 64)
        let first = PickleBytes.text("w") + PickleBytes.tensor(sizes: ones, strides: ones) + Array("q\0".utf8)
        let others = (100_000..<140_000).flatMap { PickleBytes.text(String($0)) + Array("h\0".utf8) }
        expectValueError(Array("}(".utf8) + first + others + "u".utf8, "bytes of memory, found more")
    }

    /// As long as each value taken off the stack took the longer, the longer that was, this took ten seconds.
    @Test func longStacksTakeTimeInProportion() {
        let values = Array("(".utf8) + Array(repeating: [0x4E, 0x85] as [UInt8], count: 90_000).joined() + "t".utf8
        let time = ContinuousClock().measure {
            expectValueError(values, "expected a dictionary of tensors or a network module, found a tuple")
        }
        #expect(time < .seconds(5))
    }

    @Test func tensorsLieInTheirStorages() {
        typealias P = PickleBytes
        let storage = P.storage()
        let cases: [(offset: Int, sizes: [Int], strides: [Int], reason: String)] = [
            (-1, [1], [1], "expected an offset"), (0, [-2, 2], [2, 1], "no negative number"),
            (0, [2, 2], [-2, 1], "no negative number"), (0, [2, 2], [1], "expected a stride for each"),
            (1, [2, 2], [2, 1], "elements within a storage of 4"),
            (0, [2, 2], [3, 1], "elements within a storage of 4"),
            (4, [1], [1], "elements within a storage of 4"), (.max, [1], [1], "elements within a storage of 4"),
            (0, [.max, .max], [1, 1], "a shape that fits in memory"), (0, [2], [.max], "elements within a storage"),
            (.max, [2], [.max], "elements within a storage"), (0, [3, 2], [1, 1], "elements apart from each other"),
            (0, [2, 2], [1, 1], "elements apart from each other"),
            (0, [Int](repeating: 1, count: 65), [Int](repeating: 1, count: 65), "of at most 64 dimensions"),
            (0, [1 << 40], [0], "expected contents that fit in"),
            (0, [1 << 62, 1], [0, 1], "expected contents that fit in"),
        ]
        for (offset, sizes, strides, reason) in cases {
            let tensor = P.tensor(storage, offset: offset, sizes: sizes, strides: strides)
            if reason.contains("contents") {
                expectValueError(P.dictionary([("w", tensor)]), reason)
            } else {
                expectTensorError(tensor, reason)
            }
        }
        expectTensorError(P.tensor(Array("N".utf8)), "expected a storage, found None")
        for count in [-4, .max] {
            let value = P.dictionary([("w", P.tensor(P.storage(count: count)))])
            expectValueError(at: -2, value, "expected references to storages and modules")
            expectFormatError(at: 42 + value.count - 2, "expected a storage") {
                _ = try read(ZipFile.checkpoint(value: value).bytes)
            }
        }
        expectTensorError(P.tensor(Array("(".utf8) + P.text("module") + "NNNtQ".utf8), "expected a storage")
    }

    @Test func storagesAreThoseThatTheValueNames() {
        let value = PickleBytes.dictionary([("w", PickleBytes.tensor())])
        func expect(
            _ reason: String, _ change: (inout LegacyFile) -> Void, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            var file = LegacyFile(value: value)
            change(&file)
            do {
                _ = try read(file.bytes)
                Issue.record("expected an error with '\(reason)'", sourceLocation: sourceLocation)
            } catch {
                #expect("\(error)".contains(reason), sourceLocation: sourceLocation)
            }
        }
        expect("at byte 0: expected PyTorch's magic number") { $0.magic = [0x80, 2, 0x4E, 0x2E] }
        expect("at byte 15: expected version 1001, found 1000") { $0.version[3] = 0xE8 }
        expect("facts of a little-endian machine") { $0.machine[$0.machine.count - 3] = 0x89 }
        expect("expected 4 elements, found 5") { $0.storages[0].count = 5 }
        expect("expected 16 bytes, found 15") { $0.storages[0].bytes.removeLast() }
        expect("expected its number of elements, found 0 bytes") { $0.storages = [] }
        expect("found 1 more bytes") { $0.end = [0] }
        expect("expected the key of a storage") { $0.keys = ["other"] }
        expect("tensor \"w\": expected its storage \"k\", found none") {
            $0.keys = []
            $0.storages = []
        }
        expect("expected it once, found it again") {
            $0.keys.append("k")
            $0.storages.append($0.storages[0])
        }
        expect("expected one type and size for storage \"k\", found two") {
            let other = PickleBytes.tensor(PickleBytes.storage(type: "LongStorage"))
            $0.value = PickleBytes.dictionary([("w", PickleBytes.tensor()), ("v", other)])
        }
        expect("expected references to storages and modules") {
            $0.value = PickleBytes.dictionary([("w", PickleBytes.tensor()), ("v", Array(")Q".utf8))])
        }
        expect("expected truth values of 0 or 1, found 2") {
            $0.value = PickleBytes.dictionary([("w", PickleBytes.tensor(PickleBytes.storage(type: "BoolStorage")))])
            $0.storages[0].bytes = [0, 1, 2, 1]
        }
    }

    @Test func aStateDictHasDistinctNamesAndTensorsOnly() {
        let tensor = PickleBytes.tensor()
        expectValueError(Array("}".utf8), "expected tensors, found none")
        expectValueError(Array("]".utf8), "expected a dictionary of tensors or a network module, found a list")
        expectValueError(PickleBytes.dictionary([("w", tensor), ("w", tensor)]), "found \"w\" twice")
        expectValueError(PickleBytes.dictionary([("w", tensor), ("v", Array("]".utf8))]), "expected a tensor as \"v\"")
        expectValueError(
            PickleBytes.dictionary([("G", PickleBytes.dictionary([("w", tensor)]))]),
            "under one of state_dict, model_state_dict, model, net, found a dictionary")
        expectValueError(Array("}K\u{1}".utf8) + tensor + "s".utf8, "expected names as keys, found 1")
        let nameless = Array("}K\u{1}".utf8) + tensor + "s".utf8
        let module = PickleBytes.module(parameters: nameless)
        expectValueError(at: 17, module, "expected a name as key in _parameters, found 1")
        expectValueError(
            PickleBytes.module(parameters: PickleBytes.dictionary([("w", [0x7D])])), "tensors in _parameters")
        expectValueError(
            PickleBytes.module(modules: PickleBytes.dictionary([("w", [0x7D])])), "expected a network module")
        expectValueError(
            at: 17, Array("cmodels.net\nNet\n)".utf8) + [0x81] + "}b".utf8, "with a dictionary _parameters, found none")
    }
}
