import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

let dense = try Graph.build(input: [3, 32, 32]) { image in
    image
        .convolution("conv1", to: 32, kernel: 3, padding: 1).batchNorm("bn1").relu()
        .maxPool("pool1", kernel: 2)
        .convolution("conv2", to: 64, kernel: 3, padding: 1).batchNorm("bn2").relu()
        .globalAveragePool()
        .linear("fc", to: 10)
}
let shaped = try MethodAssignment(method: "ask:ASK_5a").apply(to: dense)

for (name, graph) in [("dense", dense), ("ask:ASK_5a", shaped)] {
    let count = try Count(graph)
    print("\(name): \(count.parameters) parameters, \(count.macs) multiply-adds")
}

let model = try Model(graph: shaped, weights: .initial(for: shaped, seed: 1))
try ModelFile.write(model, to: "shaped.safetensors")
