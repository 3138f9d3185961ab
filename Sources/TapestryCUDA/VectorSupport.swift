import TapestryCore

/// A support in the resolution of the kernels: which vectors of input channels which vectors of output channels read, at
/// which tap. What lies between is there too; weights off the support are zero, so that it changes nothing.
struct VectorSupport {
    let convolution: Convolution
    let vector: Int
    /// Vectors of a group's input channels, and of its output channels.
    let inputVectors: Int
    let outputVectors: Int
    let taps: [Tap]
    private var isThere: [Bool]

    init(_ convolution: Convolution, vector: Int) {
        self.convolution = convolution
        self.vector = vector
        inputVectors = convolution.channelsPerGroup / vector
        outputVectors = convolution.outputChannels / convolution.groups / vector
        taps = Tap.all(of: convolution.kernel)
        isThere = Array(
            repeating: false, count: convolution.groups * outputVectors * taps.count * inputVectors)
        for block in convolution.outputBlocks {
            for output in block.outputs.lowerBound / vector...(block.outputs.upperBound - 1) / vector {
                for entry in block.entries where !entry.channels.isEmpty {
                    let tap = entry.tap.number(in: convolution.kernel) - 1
                    for input in entry.channels.lowerBound / vector...(entry.channels.upperBound - 1) / vector {
                        isThere[index(output, tap, input)] = true
                    }
                }
            }
        }
    }

    /// `output` counts all groups' vectors, `input` those of its group.
    private func index(_ output: Int, _ tap: Int, _ input: Int) -> Int {
        (output * taps.count + tap) * inputVectors + input
    }

    func contains(output: Int, tap: Int, input: Int) -> Bool { isThere[index(output, tap, input)] }
}
