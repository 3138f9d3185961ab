import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRecipes
import TapestryTestSupport
import TapestryTorch
import TapestryTraining
import Testing

/// Steps of the published quantiser on LeNet-5, to the digit.
@Suite(.serialized) struct TernarizerTests {
    struct Recorded: Decodable, CustomTestStringConvertible, Sendable {
        struct Figures: Decodable, Sendable {
            let centroids_wp_wn: [[Double]]
            let lambda_list: [Double]
            let counts_neg_zero_pos: [[Int]]
            let fp_weight_sum: [Double]
            let quantised_weight_sum: [Double]
            let loss: Double?
            let batch_accuracy_percent: Double?
        }

        let sequence: String
        let lambda_max_divider: Double
        let stop_quantizing_flag: Int
        let pruning: Bool
        let layers: [String]
        let ini_c: Double?
        let continues: String?
        let initial: Figures
        let steps: [Figures]

        var testDescription: String { sequence }

        static func all() throws -> [Recorded] {
            struct File: Decodable { let sequences: [Recorded] }
            return try Fixtures.json("ec2t_lenet_steps.json", as: File.self).sequences
        }

        /// By the names of the network's nodes.
        var nodes: [String] { layers.map { String($0.dropLast(".weight".count)) } }

        var settings: TernarizationSettings {
            var settings = TernarizationSettings()
            settings.layers = nodes
            settings.mode = pruning ? .prune : .ternarize
            settings.start = ini_c == nil ? .kmeans : .threshold
            settings.startShare = ini_c ?? 0
            settings.lambdaShare = lambda_max_divider
            return settings
        }
    }

    private let recorded: TernarizationTensors
    private let graph: Graph
    private let images: Tensor<Float>

    private static var recipe: Recipe {
        var recipe = Recipe()
        recipe.optimizer = .adam
        recipe.learningRate = 1e-4
        recipe.weightDecay = 5e-6
        return recipe
    }

    init() throws {
        try TorchRuntime.start(threads: 1)
        recorded = try TernarizationTensors("ec2t_lenet_steps.safetensors")
        graph = try Zoo.architecture(named: "ec2t/lenet5").graph()
        images = HashRule.images([8, 1, 28, 28])
    }

    @Test(arguments: try Recorded.all())
    func stepsAsPublished(sequence: Recorded) throws {
        let step: TrainingStep
        if let continued = sequence.continues {
            // The assignment of the sequence that this one goes on from stands still, with new optimisers.
            let first = try #require(try Recorded.all().first { $0.sequence == continued })
            step = try self.step(first)
            for _ in first.steps { _ = try take(step, epoch: 0) }
            try step.freeze(try step.network.weights())
        } else {
            step = try self.step(sequence)
        }
        try check(step, sequence, sequence.initial, number: 0)
        for (number, expected) in sequence.steps.enumerated() {
            let epoch = sequence.stop_quantizing_flag == 1 ? sequence.settings.assigningEpochs : 0
            let result = try take(step, epoch: epoch)
            expectClose(result.loss, try #require(expected.loss), within: Tolerance(absolute: 1e-5), "loss")
            #expect(Double(result.correct) / 8 * 100 == expected.batch_accuracy_percent)
            try check(step, sequence, expected, number: number + 1)
        }
        try checkEnd(step, sequence)
    }

    /// Of the pruned sequence, whose other layers are ternary and stay so.
    private func step(_ sequence: Recorded) throws -> TrainingStep {
        var weights = Weights.hashed(for: graph)
        var settings = sequence.settings
        if sequence.pruning {
            settings.fixedLayers = ["conv1", "conv2", "fc1", "fc2"]
            let method = Ternarization()
            for layer in settings.fixedLayers {
                let tensor = try #require(weights.tensors["\(layer).weight"])
                let levels = method.startingLevels(.scaled(0.3), of: tensor.elements)
                let values = method.values(tensor.elements, levels, method.nearest(tensor.elements, levels))
                weights.tensors["\(layer).weight"] = Tensor(shape: tensor.shape, elements: values)
            }
        }
        let network = try TorchNetwork(graph, weights: weights, device: .cpu)
        return try TrainingStep(network, recipe: Self.recipe, precision: .fp32, ternarization: settings)
    }

    private func take(_ step: TrainingStep, epoch: Int) throws -> TrainingStep.Result {
        try step(
            TorchTensor(images), TorchTensor(Tensor(shape: [8], elements: (0..<8).map(Int64.init))),
            learningRate: 1e-4, epoch: epoch)
    }

    private func check(
        _ step: TrainingStep, _ sequence: Recorded, _ expected: Recorded.Figures, number: Int
    ) throws {
        let figures = try #require(try step.ternaryLayers)
        let weights = try step.network.weights()
        for (index, layer) in figures.enumerated() {
            let name = sequence.nodes[index]
            #expect(layer.name == name)
            let centroids = Tolerance(absolute: 1e-6)
            expectClose(layer.positiveLevel, expected.centroids_wp_wn[index][0], within: centroids, "w_p of \(name)")
            expectClose(layer.negativeLevel, expected.centroids_wp_wn[index][1], within: centroids, "w_n of \(name)")
            #expect([layer.negative, layer.zero, layer.positive] == expected.counts_neg_zero_pos[index], "\(name)")
            // The published list starts at 1, which means nothing but that it is not 0, and stays once frozen.
            if number > 0, sequence.stop_quantizing_flag == 0 {
                expectClose(layer.lambda, expected.lambda_list[index], within: Tolerance(absolute: 1e-7), name)
            }
            let values = try #require(weights.tensors["\(name).weight"]).elements
            let sum = values.reduce(0.0) { $0 + Double($1) }
            expectClose(sum, expected.quantised_weight_sum[index], within: Tolerance(absolute: 2e-2), "sum of \(name)")
            // The fixture leaves out the largest layer's in between, whose counts are compared above.
            guard name != "fc1" || number == 0 || number == sequence.steps.count else { continue }
            let codes = try recorded.codes("\(sequence.sequence).step\(number).assignment.\(name).weight")
            try #require(codes.count == values.count)
            let levels = [-layer.negativeLevel, 0, layer.positiveLevel].map { Float($0) }
            let assigned = zip(codes, values).allSatisfy { code, value in
                // Pruned weights keep their own values, on the side of their level.
                sequence.pruning ? (value * levels[Int(code)] > 0) == (code != 1) : value == levels[Int(code)]
            }
            #expect(assigned, "assignment of \(name) at step \(number)")
        }
    }

    private func checkEnd(_ step: TrainingStep, _ sequence: Recorded) throws {
        let weights = try step.network.weights()
        let full = try step.fullPrecisionWeights
        for (index, name) in sequence.layers.enumerated() {
            let values = try #require(full[name])
            expectClose(
                values.elements.reduce(0.0) { $0 + Double($1) }, sequence.steps.last?.fp_weight_sum[index] ?? 0,
                within: Tolerance(absolute: 5e-3), "sum of \(name)")
            guard name != "fc1.weight" else { continue }
            let expected = try recorded.weights("\(sequence.sequence).final.fp.\(name)")
            expectClose(
                values, Tensor(shape: values.shape, elements: expected), within: Tolerance(absolute: 2e-5), name)
        }
        for name in ["conv1.bias", "conv2.bias", "fc1.bias", "fc2.bias", "fc3.bias"] {
            let values = try #require(weights.tensors[name])
            let expected = try recorded.weights("\(sequence.sequence).final.\(name)")
            expectClose(
                values, Tensor(shape: values.shape, elements: expected), within: Tolerance(absolute: 2e-5), name)
        }
        let logits = try Torch.withoutGradients { () throws(TorchError) in
            try step.network.logits(of: TorchTensor(images), mode: .evaluation).host()
        }
        let expected = try recorded.weights("\(sequence.sequence).final.logits_eval")
        expectClose(logits, Tensor(shape: [8, 10], elements: expected), within: Tolerance(absolute: 1e-4), "logits")
    }
}
