import Foundation
import TapestryCore
import TapestryTestSupport
import Testing

/// A model file may come from anyone: whatever its graph says, it is a graph that keeps the law, or an error.
struct HostileGraphTests {
    /// The error that decoding `json` throws; where it throws none, what a reader does next must not trap.
    @discardableResult
    private static func decode(_ json: some Sequence<UInt8>) -> (any Error)? {
        do {
            let graph = try JSONDecoder().decode(Graph.self, from: Data(json))
            _ = try graph.outputShapes()
            _ = graph.parameters.reduce(0) { $0 &+ $1.shape.count }
            return nil
        } catch { return error }
    }

    /// A graph of one node on a 4x8x8 image.
    private static func text(kind: String, attributes: String, input: String = "[4,8,8]") -> String {
        """
        {"version":1,"input":\(input),"output":"it",
         "nodes":[{"name":"it","kind":"\(kind)","inputs":["input"],"attributes":\(attributes)}]}
        """
    }

    /// Numbers that break a precondition, overflow, or ask for a window of 2^40 taps unless they are refused first.
    @Test(arguments: [
        ("batchNorm", #"{"channels":-1,"epsilon":1,"momentum":0.1,"weightInitialization":{"kind":"fanInNormal"}}"#),
        (
            "linear",
            #"""
            {"inputs":-1,"outputs":-2,"hasBias":true,"weightInitialization":{"kind":"fanInNormal"},
             "biasInitialization":{"kind":"fanInNormal"}}
            """#
        ),
        ("padChannels", #"{"before":9223372036854775807,"after":1}"#),
        (
            "maxPool",
            #"""
            {"kernel":{"height":1048576,"width":1048576},"stride":{"height":1,"width":1},
             "padding":{"top":524288,"left":524288,"bottom":524288,"right":524288}}
            """#
        ),
    ])
    func impossibleAttributesAreRefusedByNode(kind: String, attributes: String) throws {
        let error = try #require(Self.decode(Self.text(kind: kind, attributes: attributes).utf8) as? GraphError)
        #expect(error.node == "it")
    }

    @Test func anImpossibleMaskIsRefused() {
        let convolution = #"""
            {"inputChannels":4,"outputChannels":4,"kernel":{"height":1,"width":1},"stride":{"height":1,"width":1},
             "padding":{"top":0,"left":0,"bottom":0,"right":0},"dilation":{"height":1,"width":1},"groups":1,
             "hasBias":false,"weightInitialization":{"kind":"fanInNormal"},"biasInitialization":{"kind":"fanInNormal"},
             "support":{"mask":{"size":9223372036854775807,"bits":""}}}
            """#
        #expect(Self.decode(Self.text(kind: "convolution", attributes: convolution).utf8) is DecodingError)
    }

    @Test(arguments: [
        "[4]", "[]", "[0,8,8]", "[4,1048577,1]", "[1048576,1048576,1048576]", "[4,8,9223372036854775807]",
    ])
    func impossibleInputsAreRefused(input: String) throws {
        let error = try #require(
            Self.decode(Self.text(kind: "relu", attributes: "{}", input: input).utf8) as? GraphError)
        #expect(error.node == Graph.inputName)
    }

    /// Padding a tower of convolutions makes images of 2^64 values long before any file does.
    @Test func valuesThatGrowBeyondMemoryAreRefused() {
        let wide = Convolution(
            inputChannels: 1, outputChannels: 1, kernel: .square(1), padding: .all(1 << 20))
        let error = #expect(throws: GraphError.self) {
            try Graph.build(input: [1, 8, 8]) { image in
                (0..<100).reduce(image) { $0.applying(.convolution(wide), named: "conv\($1)") }.flatten()
            }
        }
        #expect(error?.node == "conv0")
    }

    @Test func anyMissingKeyIsAnError() throws {
        let object = try JSONSerialization.jsonObject(
            with: Data(GraphCodingTests.json(Graph.everyOperation()).utf8))
        var removed = 0
        for variant in Self.withoutOneKey(object) {
            removed += 1
            #expect(Self.decode(try JSONSerialization.data(withJSONObject: variant)) != nil, "\(variant)")
        }
        #expect(removed > 100)
    }

    /// Every way of removing one key from one object in `value`, at any depth.
    private static func withoutOneKey(_ value: Any) -> [Any] {
        switch value {
        case let object as [String: Any]:
            return object.flatMap { key, member -> [Any] in
                var without = object
                without[key] = nil
                return [without] + withoutOneKey(member).map { object.merging([key: $0]) { $1 } }
            }
        case let array as [Any]:
            return array.indices.flatMap { index in
                withoutOneKey(array[index]).map { member in
                    var copy = array
                    copy[index] = member
                    return copy
                }
            }
        default: return []
        }
    }

    @Test func everyTruncationIsAnError() throws {
        let text = Array(try GraphCodingTests.json(Graph.everyOperation()).utf8)
        for length in text.indices { #expect(Self.decode(text[..<length]) != nil) }
    }

    @Test func flippedBytesNeverTrap() throws {
        let text = Array(try GraphCodingTests.json(Graph.everyOperation()).utf8)
        RandomRounds.run(for: .seconds(2)) { random in _ = Self.decode(random.flippingBytes(of: text)) }
    }

    @Test func hostileNumbersNeverTrap() throws {
        let text = try GraphCodingTests.json(Graph.everyOperation())
        RandomRounds.run(for: .seconds(2)) { random in _ = Self.decode(random.replacingNumbers(in: text).utf8) }
    }

    @Test func deepNestingIsAnError() {
        let depth = 100_000
        let nested = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        #expect(Self.decode(Self.text(kind: "relu", attributes: "{}", input: nested).utf8) != nil)
    }

    /// A quadratic check of a list of this length takes minutes.
    @Test(.timeLimit(.minutes(1))) func manyTapsAreCheckedInLittleTime() {
        let taps = (0..<200_000).map { "[\($0 / 1000),\($0 % 1000)]" }.joined(separator: ",")
        #expect(throws: Never.self) { try JSONDecoder().decode(TapSet.self, from: Data("[\(taps)]".utf8)) }
    }
}
