import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

/// Published names and layouts, both ways.
struct StateDictTests {
    private static func model(_ support: Support, inputs: Int = 4, outputs: Int = 4) throws -> Model {
        var stream = RandomStream(seed: 9, purpose: .test)
        let graph = try Graph.build(input: [inputs, 5, 5]) {
            $0.applying(
                .convolution(
                    Convolution(
                        inputChannels: inputs, outputChannels: outputs, kernel: .square(3), padding: .all(1),
                        support: support)), named: "x"
            ).batchNorm("bn").globalAveragePool().linear("fc", to: 2)
        }
        return try Model(graph: graph, weights: stream.weights(for: graph))
    }

    private static let sets = [[2, 4, 5], [1, 5]].map { try! TapSet(numbers: $0) }

    private static let supports: [Support] = [
        .dense, .tapSets(sets), .blockDiagonal(parts: 1), .blockDiagonal(parts: 2),
        .channelTaps([0, 1, 2, 1].map { Tap(row: $0, column: 2 - $0) }),
        .mask(WeightMask(size: 144) { $0 % 5 != 2 }),
    ]

    private static func mismatch(_ graph: Graph, _ tensors: [NamedTensor]) -> StateDictMismatch? {
        do throws(StateDictMismatch) {
            _ = try StateDict.weights(of: graph, from: tensors)
            return nil
        } catch { return error }
    }

    private static func replacing(
        _ name: String, in tensors: [NamedTensor], by change: (inout Tensor<Float>) -> Void
    ) throws -> [NamedTensor] {
        try tensors.map { entry in
            guard entry.name == name else { return entry }
            var tensor = try #require(entry.tensor.float32)
            change(&tensor)
            return NamedTensor(name: name, tensor: .float32(tensor))
        }
    }

    @Test(arguments: supports, [StateDict.Layout.training, .deployed])
    func layoutsAreReadBack(support: Support, layout: StateDict.Layout) throws {
        let model = try Self.model(support)
        let tensors = StateDict.tensors(of: model, layout: layout)
        #expect(try StateDict.weights(of: model.graph, from: tensors) == model.weights)
        #expect(try StateDict.weights(of: model.graph, from: tensors.reversed()) == model.weights)
    }

    @Test func publishedNamesAndShapes() throws {
        func entries(_ support: Support, _ layout: StateDict.Layout) throws -> [String] {
            let tensors = StateDict.tensors(of: try Self.model(support), layout: layout)
            return tensors.prefix { $0.name.hasPrefix("x.") }.map { "\($0.name) \($0.tensor.shape)" }
        }
        #expect(try entries(Self.supports[1], .training) == ["x.conv0.weight 2x12x1x1", "x.conv1.weight 2x8x1x1"])
        #expect(try entries(Self.supports[1], .deployed) == ["x.weights 2x20"])
        #expect(try entries(.blockDiagonal(parts: 1), .training) == ["x.gwc.weight 4x4x3x3", "x.pwc.weight 4x4x1x1"])
        #expect(try entries(.blockDiagonal(parts: 2), .training) == ["x.gwc.weight 4x2x3x3", "x.pwc.weight 4x4x1x1"])
        #expect(try entries(Self.supports[5], .training) == ["x.weight 4x4x3x3"])
        let names = StateDict.tensors(of: try Self.model(.dense), layout: .training).map(\.name)
        #expect(
            names == [
                "x.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked",
                "fc.weight", "fc.bias",
            ])
    }

    /// Row by row: the first group's weights, then the second's.
    @Test func acceleratedWeightsLieSideBySide() throws {
        let model = try Self.model(Self.supports[1])
        let weights = try #require(StateDict.tensors(of: model, layout: .deployed).first?.tensor.float32)
        let first = try #require(model.weights.tensors["x.conv0.weight"])
        let second = try #require(model.weights.tensors["x.conv1.weight"])
        #expect(Array(weights.elements[..<12]) == Array(first.elements[..<12]))
        #expect(Array(weights.elements[12..<20]) == Array(second.elements[..<8]))
        #expect(Array(weights.elements[32...]) == Array(second.elements[8...]))
    }

    @Test func oldBatchNormsHaveNoCount() throws {
        let model = try Self.model(.dense)
        let tensors = StateDict.tensors(of: model, layout: .training).filter { !$0.name.hasSuffix("tracked") }
        let weights = try StateDict.weights(of: model.graph, from: tensors)
        #expect(weights.batchCounts.isEmpty && weights.tensors == model.weights.tensors)
    }

    @Test func whatDiffersIsListed() throws {
        let model = try Self.model(.dense)
        var tensors = StateDict.tensors(of: model, layout: .training)
        tensors.removeAll { $0.name == "bn.bias" || $0.name == "fc.weight" }
        tensors += ["z", "y"].map { NamedTensor(name: $0, tensor: .uint8(Tensor(shape: [1], elements: [1]))) }
        let mismatch = try #require(Self.mismatch(model.graph, tensors))
        #expect(mismatch.missing == ["bn.bias", "fc.weight"] && mismatch.unknown == ["y", "z"] && mismatch.count == 4)
        #expect(mismatch.description == "the file lacks bn.bias, fc.weight; the network lacks y, z")
        let many = (0..<9).map { NamedTensor(name: "n\($0)", tensor: .uint8(Tensor(shape: [0], elements: []))) }
        let long = try #require(Self.mismatch(model.graph, StateDict.tensors(of: model, layout: .training) + many))
        #expect(long.description == "the network lacks n0, n1, n2, n3, n4, n5 and 3 more")
    }

    @Test func shapesAndTypesMustFit() throws {
        let model = try Self.model(.dense)
        var tensors = StateDict.tensors(of: model, layout: .training)
        tensors[0].tensor = .float32(Tensor(shape: [4, 4, 3, 2], repeating: 0))
        tensors[1].tensor = .int8(Tensor(shape: [4], repeating: 0))
        tensors[5].tensor = .float32(Tensor(shape: [], repeating: 0))
        #expect(
            Self.mismatch(model.graph, tensors)?.unfit == [
                "\"x.weight\" is F32 4x4x3x2, expected F32 4x4x3x3", "\"bn.weight\" is I8 4, expected F32 4",
                "\"bn.num_batches_tracked\" is no 64-bit integer",
            ])
        let shaped = try Self.model(Self.supports[1])
        let narrow = [NamedTensor(name: "x.weights", tensor: .float32(Tensor(shape: [2, 19], repeating: 0)))]
        #expect(
            Self.mismatch(shaped.graph, narrow)?.unfit == ["\"x.weights\" is F32 2x19, expected F32 2x20"])
    }

    /// A graph may say that it has more weights than fit into memory; what counts is what the file has.
    @Test(arguments: [Support.tapSets([try! TapSet(numbers: [5])]), .blockDiagonal(parts: 2)])
    func layersWithoutTheirTensorsTakeNoMemory(support: Support) throws {
        let channels = 16_384
        let graph = try Graph.build(input: [channels, 3, 3]) {
            $0.applying(
                .convolution(
                    Convolution(
                        inputChannels: channels, outputChannels: channels / 8, kernel: .square(3), support: support)),
                named: "x")
        }
        let small = StoredTensor.float32(Tensor(shape: [2, 2], repeating: 1))
        let tensors = ["x.weights", "x.gwc.weight", "x.pwc.weight"].map { NamedTensor(name: $0, tensor: small) }
        #expect(Self.mismatch(graph, tensors)?.unfit.isEmpty == false)
    }

    /// Weights that a program holds at zero must be so.
    @Test func weightsWithoutAPlaceAreRefused() throws {
        let blocks = try Self.model(.blockDiagonal(parts: 2))
        let filled = try Self.replacing("x.pwc.weight", in: StateDict.tensors(of: blocks, layout: .training)) {
            $0.elements[5] = 1
        }
        #expect(
            Self.mismatch(blocks.graph, filled)?.unfit == [
                "\"x.pwc.weight\" is not zero on the blocks that \"x.gwc.weight\" has"
            ])
        let masked = try Self.model(Self.supports[5])
        let full = try Self.replacing("x.weight", in: StateDict.tensors(of: masked, layout: .training)) {
            $0.elements[2] = 1
        }
        #expect(
            Self.mismatch(masked.graph, full)?.unfit == [
                "\"x.weight\" is not zero at positions that the layer's support lacks"
            ])
    }
}
