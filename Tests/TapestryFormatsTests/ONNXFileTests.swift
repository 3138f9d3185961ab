import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

struct ONNXFileTests {
    /// 4 MiB as they are stored, 4 GiB as a dense kernel: refused before that is laid out.
    @Test func networksThatTakeTooMuchAreRefused() throws {
        let convolution = Convolution(
            inputChannels: 1024, outputChannels: 1024, kernel: .square(32),
            support: .channelTaps(Array(repeating: Tap(row: 3, column: 5), count: 1024)))
        let graph = try Graph.build(input: [1024, 32, 32]) { $0.applying(.convolution(convolution), named: "conv") }
        let weights = Weights(tensors: ["conv.weight": Tensor(shape: [1024, 1024, 1, 1], repeating: 1)])
        let model = try FrozenModel(Model(graph: graph, weights: weights))
        let directory = try TemporaryDirectory()
        expectFormatError("expected a network of at most 2 GiB") {
            try ONNXFile.write(model, to: directory.path + "/x.onnx")
        }
        #expect(try directory.entries.isEmpty)
    }

    /// The version of the format, that of the operators, names and facts, at the places that the schema gives them.
    @Test func bytesOfASmallFile() throws {
        let graph = try Graph.build(input: [1, 2, 2]) { $0.relu("r") }
        let model = try FrozenModel(Model(graph: graph, weights: Weights(), facts: ["method": "dense"]))
        let directory = try TemporaryDirectory()
        let path = directory.path + "/x.onnx"
        try ONNXFile.write(model, to: path, producerVersion: "1")
        func field(_ number: UInt8, _ contents: [UInt8]) -> [UInt8] {
            [number << 3 | 2, UInt8(contents.count)] + contents
        }
        func text(_ number: UInt8, _ text: String) -> [UInt8] { field(number, Array(text.utf8)) }
        func number(_ number: UInt8, _ value: UInt8) -> [UInt8] { [number << 3, value] }
        func value(_ name: String) -> [UInt8] {
            let dimensions = [text(2, "N")] + [1, 2, 2].map { number(1, $0) }
            let tensor = number(1, 1) + field(2, dimensions.flatMap { field(1, $0) })
            return text(1, name) + field(2, field(1, tensor))
        }
        let relu = text(1, "images") + text(2, "logits") + text(3, "logits") + text(4, "Relu")
        let network = field(1, relu) + text(2, "network") + field(11, value("images")) + field(12, value("logits"))
        let expected =
            number(1, 8) + text(2, "Tapestry") + text(3, "1") + field(7, network) + field(8, number(2, 17))
            + field(14, text(1, "method") + text(2, "dense"))
        #expect(try [UInt8](Data(contentsOf: URL(filePath: path))) == expected)
    }
}
