import TapestryCore
import TapestryMethods
import TapestryTestSupport
import Testing

struct HetConvTests {
    private static let method = MethodAssignment(method: "hetconv:4")

    /// A stem, which reads the images, and one convolution behind it.
    private static func graph(_ convolution: Convolution) throws -> Graph {
        try Graph.build(input: [3, 8, 8]) {
            $0.convolution("stem", to: convolution.inputChannels, kernel: 3, padding: 1)
                .applying(.convolution(convolution), named: "conv")
        }
    }

    private static func graph(inputs: Int = 8, outputs: Int = 16, kernel: Int = 3, groups: Int = 1) throws -> Graph {
        try graph(
            Convolution(
                inputChannels: inputs, outputChannels: outputs, kernel: .square(kernel), stride: .square(2),
                padding: .all(kernel / 2), groups: groups, weightInitialization: .fanOutNormal))
    }

    private static func convolution(_ name: String, of graph: Graph) throws -> Convolution {
        guard case .convolution(let convolution) = try #require(graph.node(named: name)).operation else {
            throw MethodError("no convolution")
        }
        return convolution
    }

    @Test func onlyTheSupportChanges() throws {
        let dense = try Self.graph()
        let shaped = try Self.method.apply(to: dense)
        var expected = try Self.convolution("conv", of: dense)
        expected.support = .blockDiagonal(parts: 4)
        #expect(try Self.convolution("conv", of: shaped) == expected)
        #expect(expected.weightCount == 16 * (2 * 9 + 6))
    }

    /// The published network's first convolution is dense.
    @Test func whatReadsTheImagesStays() throws {
        let shaped = try Self.method.apply(to: Self.graph())
        #expect(try Self.convolution("stem", of: shaped).isDense)
    }

    @Test func publishedNamesAndFans() throws {
        let parameters = try Self.method.apply(to: Self.graph()).parameters.dropFirst()
        #expect(parameters.map(\.name) == ["conv.gwc.weight", "conv.pwc.weight"])
        #expect(parameters.map(\.shape) == [[16, 2, 3, 3], [16, 6, 1, 1]])
        // Normal with deviation sqrt(2 / (k k O)), O being all outputs.
        #expect(parameters.map(\.fanOut) == [9 * 16, 16])
        #expect(parameters.allSatisfy { $0.initialization == .fanOutNormal })
    }

    @Test func onePartIsAPlainKernel() throws {
        let parameters = try MethodAssignment(method: "hetconv:1").apply(to: Self.graph()).parameters.dropFirst()
        #expect(parameters.map(\.name) == ["conv.gwc.weight"])
        #expect(parameters.map(\.shape) == [[16, 8, 3, 3]])
    }

    @Test(arguments: try! HetConvCase.all())
    func publishedLayers(layer: HetConvCase) throws {
        let tensors = try layer.tensors()
        let x = try #require(tensors["x"])
        let graph = try Graph.build(input: Shape(Array(x.shape.dimensions.dropFirst()))) {
            $0.applying(.convolution(layer.convolution), named: "layer")
        }
        let weights = Weights(tensors: try layer.stored("weight", of: tensors))
        let y = try ReferenceInterpreter(graph, weights: weights)(x.map(Double.init))
        expectClose(y, try #require(tensors["y"]), within: Tolerance(absolute: 1e-5), layer.name)
    }

    @Test(arguments: [
        "hetconv", "hetconv:", "hetconv:0", "hetconv:-4", "hetconv:+4", "hetconv:4x", "hetconv:4.0", "hetconv:٤",
        "hetconv:P=4", "hetconv:99999999999999999999",
    ])
    func argumentsThatMakeNoSense(text: String) throws {
        #expect(throws: MethodError("hetconv needs the number of parts, as in hetconv:4")) { try Methods.parse(text) }
    }

    @Test(arguments: [(6, 16), (8, 18)])
    func partsMustDivideBothChannels(inputs: Int, outputs: Int) throws {
        let graph = try Self.graph(inputs: inputs, outputs: outputs)
        let reason = "layer \"conv\": 4 parts do not divide its \(inputs) input and \(outputs) output channels"
        #expect(throws: MethodError(reason)) { try Self.method.apply(to: graph) }
    }

    @Test func groupedAndAlreadyShapedConvolutionsAreRefused() throws {
        let grouped = try Self.graph(groups: 2)
        #expect(throws: MethodError("layer \"conv\": has 2 groups; hetconv needs outputs that see all input channels"))
        {
            try Self.method.apply(to: grouped)
        }
        let shaped = try MethodAssignment(method: "ask:ASK_5a").apply(to: Self.graph())
        #expect(throws: MethodError.self) { try Self.method.apply(to: shaped) }
    }

    @Test func kernelsOfOtherSizesStay() throws {
        let pairs = [Size.square(1), .square(2), Size(height: 1, width: 3)].map {
            Convolution(inputChannels: 8, outputChannels: 8, kernel: $0)
        }
        for convolution in pairs {
            let graph = try Self.graph(convolution)
            let error = #expect(throws: MethodError.self) { try Self.method.apply(to: graph) }
            let reason = "hetconv leaves every convolution that follows the rule \"*\" as it is"
            #expect(try #require(error).description.hasPrefix(reason))
        }
        let larger = try Self.method.apply(to: Self.graph(kernel: 5))
        #expect(try Self.convolution("conv", of: larger).support == .blockDiagonal(parts: 4))
    }
}
