import Foundation
import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite("States of training") struct TrainingStateTests {
    private let directory: TemporaryDirectory
    private var folder: RunFolder { RunFolder(path: directory.path) }

    init() throws { directory = try TemporaryDirectory() }

    private func state(epoch: Int) throws -> TrainingState {
        let graph = try Graph.build(input: [1, 3, 3]) { image in
            image.convolution("conv", to: 1, kernel: 3).batchNorm("bn").globalAveragePool().linear("fc", to: 2)
        }
        var random = RandomStream(seed: 8, purpose: .test)
        let weights = random.weights(for: graph)
        return TrainingState(
            position: .init(epoch: epoch, bestTop1: 12.5), graph: graph, weights: weights,
            optimizer: ["momentum_buffer": weights.tensors], averages: ["": weights.tensors])
    }

    private func expect(_ state: TrainingState, isOf epoch: Int) throws {
        let expected = try self.state(epoch: epoch)
        #expect(state.position == expected.position && state.graph == expected.graph)
        #expect(state.weights == expected.weights)
        #expect(state.optimizer == expected.optimizer && state.averages == expected.averages)
    }

    @Test func statesComeBack() throws {
        try state(epoch: 3).write(to: folder.state)
        try expect(try TrainingState(readingFrom: folder.state), isOf: 3)
    }

    /// A bit of every byte: the parts of the graph, the optimiser and the digests among them.
    @Test func flippedBitsAreFoundAndNamed() throws {
        try state(epoch: 3).write(to: folder.state)
        let bytes = try Data(contentsOf: URL(filePath: folder.state))
        let start = 8 + bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1 << UInt8(index % 8)
            try damaged.write(to: URL(filePath: folder.state))
            let error = #expect(throws: FormatError.self, "byte \(index)") {
                try TrainingState(readingFrom: folder.state)
            }
            #expect(error?.file == folder.state)
            #expect(error?.reason.contains(index < start ? "header" : "tensor '") == true, "byte \(index)")
        }
    }

    @Test func theStateBeforeStandsIn() throws {
        #expect(try TrainingState.latest(in: folder)?.state.position == nil)
        for epoch in 1...3 { try state(epoch: epoch).write(to: folder.state, keepingOldAt: folder.olderState) }
        #expect(try directory.entries.sorted() == ["state.older.safetensors", "state.safetensors"])
        let sound = try #require(try TrainingState.latest(in: folder))
        #expect(sound.damage == nil)
        try expect(sound.state, isOf: 3)
        for damage in [Data(), Data(count: 100), nil] {
            if let damage {
                try damage.write(to: URL(filePath: folder.state))
            } else {
                try FileManager.default.removeItem(atPath: folder.state)
            }
            let older = try #require(try TrainingState.latest(in: folder))
            #expect(older.damage?.hasPrefix("\(folder.state): ") == true)
            try expect(older.state, isOf: 2)
        }
        try Data().write(to: URL(filePath: folder.state))
        try Data().write(to: URL(filePath: folder.olderState))
        expectFormatError(at: 0, "nor the state before can be read") { _ = try TrainingState.latest(in: folder) }
    }

    /// Killed between two steps of a save, a run has the same state under both names.
    @Test func twoNamesOfOneFileAreSavedOver() throws {
        try state(epoch: 1).write(to: folder.state)
        try FileManager.default.linkItem(atPath: folder.state, toPath: folder.olderState)
        try state(epoch: 2).write(to: folder.state, keepingOldAt: folder.olderState)
        try expect(try TrainingState(readingFrom: folder.state), isOf: 2)
        try expect(try TrainingState(readingFrom: folder.olderState), isOf: 1)
        #expect(try directory.entries.sorted() == ["state.older.safetensors", "state.safetensors"])
    }
}
