import TapestryCore
import TapestryMethods
import TapestryTestSupport
import Testing

struct HashRuleTests {
    /// u = h / 2^32 - 1/2 of the recorded h.
    @Test(arguments: [
        (0, 0, 2_259_878_544), (0, 1, 2_462_352_636), (1, 0, 4_218_107_626), (999, 5, 1_056_701_932),
        (57, 123_456, 4_248_309_005),
    ])
    func workedValues(parameter: Int, element: Int, hash: Int) {
        #expect(HashRule.value(parameter: parameter, element: element) == Double(hash) / 4_294_967_296 - 0.5)
    }

    @Test func workedTensors() throws {
        let graph = try Graph.build(input: [3, 4, 4]) { $0.convolution("conv", to: 4, kernel: 3).batchNorm("norm") }
        let weights = Weights.hashed(for: graph)
        func first(_ count: Int, of name: String) throws -> [Float] {
            Array(try #require(weights.tensors[name]).elements.prefix(count))
        }
        #expect(try first(4, of: "conv.weight") == [0.014244586, 0.039905537, 0.0655514, 0.091211036])
        #expect(try first(2, of: "norm.weight") == [1.0964209, 0.91266954])
        #expect(try first(2, of: "norm.running_mean") == [-0.075631045, -0.0810804])
        #expect(try first(2, of: "norm.running_var") == [1.1334294, 0.91106963])
        let images = HashRule.images([1, 1, 2, 2])
        #expect(images.elements == [-0.47153988, 1.1570721, 1.5522302, 1.0529236])
    }
}

struct InitialWeightsTests {
    private static func weights(_ layer: Convolution, seed: UInt64 = 1) throws -> [Tensor<Float>] {
        let graph = try Graph.build(input: [layer.inputChannels, 8, 8]) {
            $0.applying(.convolution(layer), named: "it")
        }
        let weights = Weights.initial(for: graph, seed: seed)
        return layer.storedWeights.compactMap { weights.tensors["it.\($0.suffix)"] }
    }

    private static func deviation(_ tensor: Tensor<Float>) -> Double {
        let values = tensor.elements.map(Double.init)
        let mean = values.reduce(0, +) / Double(values.count)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
    }

    @Test func aSeedGivesTheSameWeightsAndAnotherOthers() throws {
        let graph = try Graph.everyOperation()
        let weights = Weights.initial(for: graph, seed: 7)
        try weights.check(against: graph)
        #expect(weights == Weights.initial(for: graph, seed: 7))
        let other = Weights.initial(for: graph, seed: 8)
        #expect(other.tensors["dense.weight"] != weights.tensors["dense.weight"])
        #expect(weights.batchCounts == ["norm.num_batches_tracked": 0, "old.num_batches_tracked": 0])
    }

    @Test func parametersOfOneShapeDiffer() throws {
        let graph = try Graph.build(input: [8, 4, 4]) {
            $0.convolution("a", to: 8, kernel: 3, padding: 1).convolution("b", to: 8, kernel: 3, padding: 1)
        }
        let weights = Weights.initial(for: graph, seed: 1)
        #expect(weights.tensors["a.weight"] != weights.tensors["b.weight"])
    }

    /// 2,000 values or more have a deviation within 5 % of its own.
    @Test func deviationsOfConvolutions() throws {
        var layer = Convolution(inputChannels: 32, outputChannels: 64, kernel: .square(3))
        func expect(_ deviation: Double, _ comment: String) throws {
            for tensor in try Self.weights(layer) {
                let tolerance = Tolerance(relative: 0.05)
                expectClose(Self.deviation(tensor), deviation, within: tolerance, comment)
            }
        }
        layer.weightInitialization = .fanOutNormal
        try expect((2.0 / (9 * 64)).squareRoot(), "fan-out: sqrt(2/(k*k*O))")
        layer.weightInitialization = .fanInNormal
        try expect((2.0 / (9 * 32)).squareRoot(), "fan-in")
        layer.weightInitialization = .fanInUniform
        try expect(1 / (Double(9 * 32) * 3).squareRoot(), "uniform in +-1/sqrt(fan-in)")
        layer.weightInitialization = .normal(standardDeviation: 0.01)
        try expect(0.01, "normal")
        layer.support = .mask(WeightMask(size: layer.denseWeightShape.count) { $0 % 2 == 0 })
        layer.weightInitialization = .fanOutNormal
        try expect((2.0 / (9 * 64)).squareRoot(), "a mask starts as its dense kernel")
    }

    /// sqrt(2d/O): a group is a 1x1 convolution of its own.
    @Test(arguments: ["ASK_5a", "ASK_3b", "ASK_4a"])
    func deviationsOfASKGroups(shape: String) throws {
        let dense = try Graph.build(input: [64, 8, 8]) {
            $0.convolution("it", to: 128, kernel: 3, padding: 1, initialization: .fanOutNormal)
        }
        let graph = try MethodAssignment(method: "ask:\(shape)").apply(to: dense)
        let weights = Weights.initial(for: graph, seed: 3)
        #expect(weights.tensors.count == graph.parameters.count)
        for tensor in weights.tensors.values {
            let expected = (2.0 * Double(weights.tensors.count) / 128).squareRoot()
            expectClose(Self.deviation(tensor), expected, within: Tolerance(relative: 0.05), shape)
        }
    }

    @Test func constantsAndBiases() throws {
        let graph = try Zoo.architecture(named: "ask/vgg16").graph()
        let weights = Weights.initial(for: graph, seed: 1)
        func values(_ name: String) throws -> Set<Float> { Set(try #require(weights.tensors[name]).elements) }
        #expect(try values("feature.1.weight") == [0.5])
        #expect(try values("feature.1.bias") == [0])
        #expect(try values("feature.1.running_mean") == [0])
        #expect(try values("feature.1.running_var") == [1])
        #expect(try values("classifier.1.weight") == [1])
        #expect(try values("classifier.0.bias") == [0])
        let linear = try #require(weights.tensors["classifier.0.weight"])
        expectClose(Self.deviation(linear), 0.01, within: Tolerance(relative: 0.02))

        // PyTorch's default: weight and bias uniform in +-1/sqrt(64).
        let resnet = Weights.initial(for: try Zoo.architecture(named: "ask/resnet20").graph(), seed: 1)
        for name in ["fc.weight", "fc.bias"] {
            let elements = try #require(resnet.tensors[name]).elements
            #expect(elements.allSatisfy { abs($0) <= 0.125 })
            #expect(Set(elements).count == elements.count)
        }
    }

    /// Values of whole distributions, not only their width: about 68 and 95 in 100 lie within one and two deviations.
    @Test func normalValuesAreNormal() throws {
        let layer = Convolution(
            inputChannels: 100, outputChannels: 101, kernel: .square(3),
            weightInitialization: .normal(standardDeviation: 1))
        let values = try Self.weights(layer)[0].elements.map { abs($0) }
        #expect(values.allSatisfy { $0.isFinite })
        for (bound, share) in [(1.0 as Float, 0.6827), (2, 0.9545), (3, 0.9973)] {
            let inside = Double(values.count { $0 < bound }) / Double(values.count)
            expectClose(inside, share, within: Tolerance(absolute: 0.005))
        }
    }
}
