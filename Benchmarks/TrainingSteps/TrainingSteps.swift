import ArgumentParser
import Foundation
import TapestryCore
import TapestryMethods
import TapestryRecipes
import TapestryRuntime
import TapestryTorch
import TapestryTraining

/// Times training steps on batches that a formula makes, and prints each step's loss: what `pytorch_training.py` beside
/// it does in PyTorch, from the same weights on the same batches.
///
/// Weights and images follow the hash rule; step s takes images 4u under parameter number 999 + s, image i labelled
/// (7 i + s) mod classes. Output: a line of JSON per step, then one with the images per second after the warm-up.
@main
struct TrainingSteps: ParsableCommand {
    @Option var arch = "resnet20"
    @Option var method = "dense"
    @Option var precision = "fp32"
    @Option var steps = 10
    @Option var warmUp = 2
    @Option var batchSize = 128
    @Option var classes = 10
    @Option var threads = 2
    @Option var engine = "auto"

    func run() throws {
        try TorchRuntime.start(threads: threads)
        let name = arch.contains("/") ? arch : "ask/\(arch)"
        var graph = try Zoo.architecture(named: name).graph(NetworkOptions(classes: classes))
        graph = try MethodAssignment(method: method).apply(to: graph)
        guard let precision = RunConfiguration.Precision(rawValue: precision) else {
            throw ValidationError("--precision is fp32 or bf16")
        }
        guard let engine = TrainingEngine(rawValue: engine) else {
            throw ValidationError("--engine is auto, native or torch")
        }
        let network = try TorchNetwork(graph, weights: .hashed(for: graph), device: .cpu, engine: engine)
        let step = try TrainingStep(network, recipe: Recipe(), precision: precision)
        var seconds: [Double] = []
        for index in 0..<steps {
            let images = HashRule.images(Shape([batchSize] + graph.inputShape.dimensions), parameter: 999 + index)
            let labels = Tensor(shape: [batchSize], elements: (0..<batchSize).map { Int64((7 * $0 + index) % classes) })
            let (x, y) = (try TorchTensor(images, memoryFormat: .channelsLast), try TorchTensor(labels))
            let start = ContinuousClock.now
            let result = try step(x, y, learningRate: 0.1)
            seconds.append((ContinuousClock.now - start) / .seconds(1))
            print("{\"step\": \(index), \"loss\": \(result.loss)}")
        }
        let timed = seconds.dropFirst(warmUp).sorted()
        guard !timed.isEmpty else { throw ValidationError("--steps must exceed --warm-up") }
        let median = timed[timed.count / 2]
        print(
            "{\"images_per_second\": \(Double(batchSize) / median), \"median_step_seconds\": \(median),"
                + " \"fastest_step_seconds\": \(timed[0])}")
    }
}
