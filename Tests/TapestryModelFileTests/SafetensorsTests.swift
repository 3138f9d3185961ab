import Foundation
import TapestryCore
import TapestryModelFile
import TapestryTestSupport
import Testing

@Suite struct SafetensorsTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ bytes: [UInt8]) throws -> SafetensorsFile {
        try SafetensorsFile.read(try directory.write(bytes, to: "f.safetensors"))
    }

    private func file(_ header: String, data: [UInt8] = []) -> [UInt8] {
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + header.utf8 + data
    }

    private var example: SafetensorsFile {
        SafetensorsFile(
            metadata: ["graph": "{\"a\": \"ü\\n\u{1}\"}", "b": ""],
            tensors: [
                .init(name: "w", tensor: .float32(Tensor(shape: [2, 1], elements: [1.5, -.infinity]))),
                .init(name: "a", tensor: .int64(Tensor(shape: [], elements: [.min]))),
                .init(name: "none", tensor: .int32(Tensor(shape: [3, 0], elements: []))),
                .init(name: "i", tensor: .int32(Tensor(shape: [1], elements: [-2]))),
                .init(name: "u", tensor: .uint8(Tensor(shape: [3], elements: [0, 128, 255]))),
            ])
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        let path = directory.path + "/x.safetensors"
        try example.write(to: path)
        #expect(try SafetensorsFile.read(path) == example)
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) } % 8 == 0)
        try example.write(to: path)
        #expect(Array(try Data(contentsOf: URL(fileURLWithPath: path))) == bytes)
        #expect(try directory.entries == ["x.safetensors"])
    }

    @Test func narrowTypesWidenToFloat() throws {
        let halves: [UInt8] = [0x00, 0x3C, 0x01, 0x00, 0x00, 0xFC, 0x00, 0x80]
        let f16 = try read(file(#"{"t":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}"#, data: halves))
        #expect(f16["t"]?.float32?.elements == [1, 0x1p-24, -.infinity, -0.0])
        let nan = try read(file(#"{"t":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#, data: [1, 0x7C]))
        #expect(nan["t"]?.float32?.elements[0].isNaN == true)
        let bf16 = try read(file(#"{"t":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}"#, data: [0xC0, 0xBF]))
        #expect(bf16["t"]?.float32?.elements == [-1.5])
        let double = withUnsafeBytes(of: 0.1.bitPattern.littleEndian, Array.init)
        let f64 = try read(file(#"{"t":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}"#, data: double))
        #expect(f64["t"]?.float32?.elements == [0.1])
    }

    @Test func everyHalfPrecisionNumberIsExact() throws {
        let bytes = (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        let halves = try read(file(#"{"t":{"dtype":"F16","shape":[65536],"data_offsets":[0,131072]}}"#, data: bytes))
        let expected = (0...UInt16.max).map { Float(Float16(bitPattern: $0)) }
        let elements = try #require(halves["t"]?.float32?.elements)
        #expect(zip(elements, expected).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
    }

    @Test func wrongBytesAreNamed() {
        expectFormatError(at: 3, "expected 8 bytes of header length, found 3") { _ = try read([1, 0, 0]) }
        expectFormatError(at: 0, "expected a header length of at most 2, found 3") {
            _ = try read([3, 0, 0, 0, 0, 0, 0, 0] + "{}".utf8)
        }
        expectFormatError(at: 0, "found 18446744073709551615") { _ = try read([UInt8](repeating: 255, count: 9)) }
        expectFormatError(at: 10, "expected the end of the file after the last tensor, found 1 more") {
            _ = try read(file("{}", data: [0]))
        }
        let first = #""a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#
        let overlapping = "{\(first),\(first.replacing("\"a\"", with: "\"b\""))}"
        expectFormatError(at: 8 + overlapping.utf8.count, "where the one before ends") {
            _ = try read(file(overlapping, data: [0]))
        }
    }

    @Test(
        arguments: [
            ("", "'{' as the header's first byte"), (" {}", "'{' as the header's first byte"),
            ("{}x", "expected the end of the header, found byte 0x78"),
            (#"{"a":1,"a":2}"#, "expected distinct keys, found 'a' twice"),
            (#"{"a":{"x":{"y":{"z":1}}}}"#, "at most 4 levels"), (#"{"a":01}"#, "whole number"),
            (#"{"a":1.5}"#, "expected '}'"), (#"{"a":null}"#, "whole number"),
            (#"{"a":99999999999999999999}"#, "whole number"), (#"{"a":"\x"}"#, "JSON escape"),
            (#"{"a":"\ud800\u0041"}"#, "low surrogate"), (#"{"a":"\udc00"}"#, "Unicode scalar"),
            ("{\"a\":\"\n\"}", "closing quote"), (#"{"a":1}"#, "expected dtype, shape and data_offsets"),
            (#"{"__metadata__":[]}"#, "expected an object as __metadata__"),
            (#"{"__metadata__":{"a":1}}"#, "expected a string as metadata 'a'"),
            (#"{"t":{"dtype":"F8","shape":[],"data_offsets":[0,1]}}"#, "found F8"),
            (#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0]}}"#, "expected two data_offsets"),
            (#"{"t":{"dtype":"U8","shape":["1"],"data_offsets":[0,0]}}"#, "expected a shape"),
            (#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, "0 bytes of data, found [0, 1]"),
            (#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,0]}}"#, "expected 1 bytes for its shape [1], found 0"),
            (
                #"{"t":{"dtype":"I64","shape":[9223372036854775807],"data_offsets":[0,0]}}"#,
                "expected a shape that fits in memory"
            ),
        ] as [(String, String)])
    func wrongHeadersAreNamed(header: String, reason: String) {
        do {
            _ = try read(file(header))
            Issue.record("expected an error")
        } catch {
            #expect("\(error)".contains(reason))
        }
    }

    @Test func aHeaderOfTinyValuesIsRefusedBeforeItFillsTheMemory() {
        let zeros = String(repeating: "0,", count: 300_000)
        // The two objects and the list are values as well, so the zero of this index is one too many.
        expectFormatError(at: 8 + 15 + 2 * 249_997, "expected at most 250000 values") {
            _ = try read(file(#"{"a":{"shape":["# + zeros + "0]}}"))
        }
    }

    @Test func narrowTensorsOfManyPiecesAreWhole() throws {
        let count = 1 << 16 + 3
        let bytes: [UInt8] = (0..<count).flatMap { [0, UInt8(truncatingIfNeeded: $0)] as [UInt8] }
        let header = #"{"t":{"dtype":"BF16","shape":[\#(count)],"data_offsets":[0,\#(2 * count)]}}"#
        let expected = (0..<count).map { Float(bitPattern: UInt32(UInt8(truncatingIfNeeded: $0)) << 24) }
        #expect(try read(file(header, data: bytes))["t"]?.float32?.elements == expected)
    }

    @Test func everyTruncationIsRefusedAndDamageSurvived() throws {
        let path = directory.path + "/x.safetensors"
        try example.write(to: path)
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(Damage.truncationsAccepted(of: bytes) { _ = try read($0) } == [])
        #expect(Damage.flip(bytes, for: .milliseconds(300), expecting: FormatError.self) { _ = try read($0) }.isEmpty)
    }
}
