import TapestryCore
import TapestryRuntime
import TapestryTestSupport
import Testing

@Suite("Convolutions in training", .serialized)
struct ConvolutionTrainingTests {
    @Test("values and gradients on random supports are those of plain sums, on every instruction set")
    func plainSums() {
        RandomRounds.run(60) { stream in
            let layer = TrainedLayer(&stream)
            for precision in NativePrecision.allCases {
                for instructionSet in InstructionSet.tested(for: precision) { layer.check(on: instructionSet) }
            }
        }
    }
}
