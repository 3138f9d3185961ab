import TapestryCore
import TapestryTestSupport
import Testing

struct StoredWeightsTests {
    @Test func everyWeightOfTheSupportIsVisitedOnce() throws {
        try RandomRounds.run(100) { random in
            let convolution = random.convolution()
            try convolution.validate()
            let shapes = convolution.storedWeights.map(\.shape)
            var visited: Set<Int> = []
            var filled = shapes.map { Array(repeating: false, count: $0.count) }
            convolution.forEachWeight { tensor, offset, position in
                #expect(visited.insert(position).inserted)
                #expect(!filled[tensor][offset])
                filled[tensor][offset] = true
            }
            #expect(filled.allSatisfy { $0.allSatisfy { $0 } })
            #expect(visited == Self.support(of: convolution))
            #expect(visited.count == convolution.weightCount)
            #expect(shapes.reduce(0) { $0 + $1.count } == convolution.weightCount)
        }
    }

    /// The dense positions of the support, from its definition.
    private static func support(of convolution: Convolution) -> Set<Int> {
        let area = convolution.kernel.area
        return Set(
            (0..<convolution.denseWeightShape.count).filter { position in
                switch convolution.support {
                case .dense: return true
                case .mask(let mask): return mask.contains(position)
                case .tapSets(let sets):
                    let output = position / (area * convolution.channelsPerGroup)
                    let set = sets[output * sets.count / convolution.outputChannels]
                    return set.numbers(in: convolution.kernel).contains(position % area + 1)
                case .blockDiagonal(let parts):
                    let output = position / (area * convolution.inputChannels)
                    let channel = position / area % convolution.inputChannels
                    let isOwn =
                        output * parts / convolution.outputChannels == channel * parts / convolution.inputChannels
                    return isOwn || position % area == area / 2
                case .channelTaps(let taps):
                    let channel = position / area % convolution.channelsPerGroup
                    return position % area + 1 == taps[channel].number(in: convolution.kernel)
                }
            })
    }

    @Test func outputBlocksAreTheSameSupport() {
        RandomRounds.run(100) { random in
            let convolution = random.convolution()
            var positions: [Int] = []
            var nextOutput = 0
            for block in convolution.outputBlocks {
                #expect(block.outputs.lowerBound == nextOutput)
                nextOutput = block.outputs.upperBound
                for output in block.outputs {
                    for entry in block.entries {
                        positions += entry.channels.map { convolution.densePosition(output, $0, entry.tap) }
                    }
                }
            }
            #expect(nextOutput == convolution.outputChannels)
            #expect(Set(positions) == Self.support(of: convolution))
            #expect(positions.count == convolution.weightCount)
        }
    }

    @Test func gatheringUndoesSpreading() {
        RandomRounds.run(100) { random in
            let convolution = random.convolution()
            let stored = convolution.storedWeights.map { random.tensor($0.shape) }
            let dense = convolution.denseWeights(from: stored)
            #expect(dense.shape == convolution.denseWeightShape)
            #expect(convolution.storedWeights(from: dense) == stored)
            let support = Self.support(of: convolution)
            #expect(dense.elements.indices.allSatisfy { support.contains($0) || dense.elements[$0] == 0 })
        }
    }

    @Test func namesAndShapes() throws {
        var convolution = Convolution(inputChannels: 4, outputChannels: 6, kernel: .square(3), groups: 2)
        #expect(convolution.storedWeights.map(\.suffix) == ["weight"])
        #expect(convolution.storedWeights.map(\.shape) == [[6, 2, 3, 3]])
        convolution.support = .tapSets([try TapSet(numbers: [1]), try TapSet(numbers: [2, 5, 8])])
        #expect(convolution.storedWeights.map(\.suffix) == ["conv0.weight", "conv1.weight"])
        #expect(convolution.storedWeights.map(\.shape) == [[3, 2, 1, 1], [3, 6, 1, 1]])
        convolution.support = .mask(WeightMask(size: 108) { $0 < 5 })
        #expect(convolution.storedWeights.map(\.suffix) == ["weight"])
        #expect(convolution.storedWeights.map(\.shape) == [[5]])
    }

    @Test(arguments: try! ASKLayerCase.all())
    func publishedLayersHaveTheirDenseKernel(layer: ASKLayerCase) throws {
        let tensors = try ASKLayerCase.tensors()
        let stored = try layer.storedWeights(tensors)
        let dense = try #require(tensors["\(layer.name).dense3x3"])
        #expect(try layer.convolution.denseWeights(from: stored) == dense)
        #expect(try layer.convolution.storedWeights(from: dense) == stored)
    }
}
