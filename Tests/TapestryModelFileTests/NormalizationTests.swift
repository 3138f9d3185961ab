import TapestryCore
import TapestryModelFile
import Testing

@Suite("Normalisation") struct NormalizationTests {
    @Test func presetsKnowTheirChannels() throws {
        #expect(try Normalization.preset("ec2t", channels: 1).mean == [0.1307])
        #expect(try Normalization.preset("none", channels: 1).standardDeviation == [1])
        #expect(throws: NormalizationError.self) { try Normalization.preset("ask", channels: 1) }
        #expect(throws: NormalizationError.self) { try Normalization.preset("fashion-mnist", channels: 3) }
        #expect(throws: NormalizationError.self) { try Normalization.preset("cifar", channels: 3) }
        for name in Normalization.presetNames {
            #expect(
                (try? Normalization.preset(name, channels: 1)) != nil
                    || (try? Normalization.preset(name, channels: 3)) != nil)
        }
    }

    @Test func bytesBecomeAnInput() throws {
        let input = try Normalization.preset("acnet", channels: 3).input(
            [0, 255, 51, 255, 0, 102], height: 1, width: 2)
        #expect(input.shape == [1, 3, 1, 2])
        #expect(input.elements == [-1, 1, 1, -1, (0.2 - 0.5) / 0.5, (0.4 - 0.5) / 0.5])
    }
}
