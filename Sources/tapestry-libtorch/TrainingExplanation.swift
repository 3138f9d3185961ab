import TapestryCommandLine
import TapestryCore
import TapestryRecipes
import TapestryRuntime
import TapestryTorch
import TapestryTraining

extension Train {
    /// Prints what would train each convolution, and how long that takes.
    func explainEngines() throws {
        let configuration = try newConfiguration()
        guard configuration.device == "cpu" else {
            throw CommandFailure(
                .usage, "--explain compares engines on the CPU; leave --device \(configuration.device) out")
        }
        let graph = try configuration.graph()
        try TorchRuntime.start(threads: configuration.threads)
        let batch = configuration.recipe.batchSize
        Console.note(
            "measuring \(graph.convolutionCount) convolutions, forward and backward, batch"
                + " \(batch), \(configuration.threads) threads, \(configuration.precision.rawValue)")
        var layers: [ExplainedLayer] = []
        try LayerTiming.measure(graph, batch: batch, inBFloat16: configuration.precision == .bf16) { timing in
            layers.append(
                ExplainedLayer(timing, batch: batch, engine: configuration.engine ?? .automatic))
        }
        if runArguments.json {
            try Console.printJSON(layers)
            return
        }
        var table = Table(
            ("layer", .left), ("output", .left), ("MACs/image", .right), ("kernels, ms", .right),
            ("GFLOPS", .right), ("libtorch, ms", .right), ("trained by", .left))
        for layer in layers {
            table.append(
                layer.layer, layer.output, layer.multiplyAdds.grouped, layer.kernelMilliseconds?.decimals(2) ?? "-",
                layer.gflops?.decimals(0) ?? "-", layer.libtorchMilliseconds.decimals(2), layer.trainedBy)
        }
        try Console.print(table.text)
    }
}

private struct ExplainedLayer: Encodable {
    let layer: String
    let output: String
    /// Of a step, for one image.
    let multiplyAdds: Int
    let kernelMilliseconds: Double?
    /// What the kernels do of the multiply-adds that the support asks for, two operations each.
    let gflops: Double?
    let libtorchMilliseconds: Double
    let trainedBy: String

    init(_ timing: LayerTiming, batch: Int, engine: TrainingEngine) {
        layer = timing.node
        output = "\(timing.convolution.outputChannels) x \(timing.outputSize)"
        multiplyAdds = timing.macs
        kernelMilliseconds = timing.native.map { 1e3 * $0 }
        gflops = timing.native.map { 2e-9 * Double(timing.macs * batch) / $0 }
        libtorchMilliseconds = 1e3 * timing.torch
        let isNative = engine == .automatic ? timing.isNative : engine == .native && timing.native != nil
        trainedBy = isNative ? "kernels" : "libtorch"
    }
}
