import Foundation
import TapestryCore
import TapestryModelFile
import TapestryTestSupport
import Testing

/// Foundation's coder says what JSON is: ours writes the same bytes, and takes the same texts for the same values.
@Suite("JSON") struct JSONCodingTests {
    /// Something of everything that Swift's own coding asks a coder for.
    private struct Everything: Codable, Equatable {
        var flag = true
        var text = "\"q\"\\\n\u{1}é日🙂"
        var double = 0.1
        var float: Float = -2.5
        var small: Int8 = -128
        var large: UInt64 = 1 << 62
        var missing: Int?
        var nested = [[1, -2], [], [3]]
        var optionals: [Int?] = [nil, 1]
        var map = ["b": [true], "a": []]
    }

    private static func foundation(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    private static func value<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONCoding.value(type, from: text.utf8, file: "f")
    }

    @Test func everythingIsWrittenAndRead() throws {
        let text = try JSONCoding.text(of: Everything())
        #expect(try text == Self.foundation(Everything()))
        #expect(try Self.value(Everything.self, text) == Everything())
        #expect(throws: EncodingError.self) { try JSONCoding.text(of: [Double.nan]) }
    }

    @Test(arguments: [
        0, -1.0, 1e16, 1e15, 1e-5, 0.1, 1 / 3, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 123_456_789.25,
    ])
    func numbersAreWrittenAsFoundationDoes(number: Double) throws {
        let text = try JSONCoding.text(of: [number])
        #expect(try text == Self.foundation([number]))
        #expect(try Self.value([Double].self, text) == [number])
    }

    @Test func graphsAreWrittenAsFoundationDoes() throws {
        let sample = try Graph.everyOperation()
        #expect(try JSONCoding.text(of: sample) == Self.foundation(sample))
        try RandomRounds.run(50) { random in
            let graph = random.graph()
            let text = try JSONCoding.text(of: graph)
            #expect(try text == Self.foundation(graph))
            #expect(try Self.value(Graph.self, text) == graph)
        }
    }

    @Test(arguments: [
        "[1,2]", " [ 1 , 2 ] \n", "[1.0,2e0]", "[10E-1,2]", "[-0,2]", "[01]", "[1.]", "[.5]", "[+1]", "[1e]",
        "[,1]",
        "[1 2]", "[1]x", "[", "", "1", "null", "[null]", "[true]", "[\"1\"]", "[1.5]", "[9223372036854775807]",
        "[9223372036854775808]", "[-9223372036854775808]", "[1e400]", "[nul]", "[0x1]", "[NaN]", "{\"a\":1}",
    ])
    func theSameTextsAreListsOfWholeNumbers(text: String) {
        let expected = try? JSONDecoder().decode([Int].self, from: Data(text.utf8))
        #expect((try? Self.value([Int].self, text)) == expected)
    }

    @Test func errorsSayWhere() throws {
        expectFormatError(at: 5, "expected a JSON value before") { _ = try Self.value([Int].self, "[1,-.") }
        expectFormatError(at: 8, "found '") { _ = try Self.value([String: Int].self, "{\"a\":1,\"a\":2}") }
        expectFormatError(at: 16, "at most 16 levels") {
            _ = try Self.value([Int].self, String(repeating: "[", count: 20))
        }
        let error = #expect(throws: DecodingError.self) { try Self.value([[String]].self, "[[],[\"a\",1]]") }
        guard case .typeMismatch(_, let context)? = error else { throw try #require(error) }
        #expect(context.codingPath.map(\.intValue) == [1, 1])
        #expect(context.debugDescription == "expected a string, found a number")
    }

    /// What ours makes a graph of is one to Foundation's decoder too, save where a number rounds to zero, which that
    /// refuses. It takes repeated keys and commas with nothing behind them, and ours does not.
    @Test func hostileGraphsAreTakenByBoth() throws {
        let text = try JSONCoding.text(of: Graph.everyOperation())
        RandomRounds.run(for: .seconds(2)) { random in
            let hostile =
                random.integer(below: 2) == 0
                ? random.replacingNumbers(in: text)
                : String(decoding: random.flippingBytes(of: Array(text.utf8)), as: UTF8.self)
            guard !hostile.contains("1e-400"), let graph = try? Self.value(Graph.self, hostile) else { return }
            #expect(graph == (try? JSONDecoder().decode(Graph.self, from: Data(hostile.utf8))), "\(hostile)")
        }
    }

    @Test(arguments: ["[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":1}"])
    func whatFoundationForgivesIsRefused(text: String) {
        #expect(throws: FormatError.self) { try Self.value([String: Int].self, text) }
    }
}
