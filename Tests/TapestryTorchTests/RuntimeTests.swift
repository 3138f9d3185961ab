import Foundation
import TapestryCore
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Runtime") struct Runtime {
        @Test func theLoadedLibraryIsTheOneBuiltWith() throws {
            let versions = LibtorchVersions.ofThisProcess
            #expect(versions.compiled.split(separator: ".").count == 3)
            try versions.verify()
            try LibtorchVersions(compiled: "2.9.1", loaded: "2.9.1+cu128").verify()
            let error = #expect(throws: TorchError.self) {
                try LibtorchVersions(compiled: "2.9.1", loaded: "2.10.0").verify()
            }
            #expect(error?.message.contains("built with libtorch 2.9.1, but the process has loaded 2.10.0") == true)
            #expect(throws: TorchError.self) { try LibtorchVersions(compiled: "2.9.1", loaded: "").verify() }
        }

        @Test func threadsAndDeterminismAreSet() throws {
            try TorchRuntime.start(threads: 2)
            #expect(TorchRuntime.threads == 2 && TorchRuntime.isDeterministic)
            try TorchRuntime.start(threads: 1, deterministic: false)
            #expect(TorchRuntime.threads == 1 && !TorchRuntime.isDeterministic)
        }

        @Test func aMissingDeviceIsSaid() {
            guard TorchRuntime.cudaDeviceCount == 0 else { return }
            let error = #expect(throws: TorchError.self) { try TorchRuntime.start(threads: 1, device: .cuda(99)) }
            #expect(error?.operation == "cuda")
            #expect(throws: TorchError.self) { try TorchRuntime.synchronize(.cuda(0)) }
            #expect(throws: TorchError.self) { try TorchTensor.full([1], 0, on: .cuda(99)) }
        }

        /// The parameters after some steps, dropout and all.
        private func trained(steps: Int) throws -> [[Float]] {
            try TorchRuntime.setSeed(7)
            let network = try SmallNetwork()
            let optimizer = try SGD(groups: [ParameterGroup(parameters: network.parameters)], momentum: 0.9)
            for step in 0..<steps { try train(network, optimizer, step) }
            return try network.parameters.map { try $0.tensor.host().elements }
        }

        private func train(_ network: SmallNetwork, _ optimizer: any Optimizer, _ step: Int) throws {
            let input = try randomTensor([3, 2, 5, 5], key: UInt64(step % 10)).dropout(probability: 0.2, training: true)
            let targets = try TorchTensor(Tensor<Int64>(shape: [3], elements: [0, 2, 1]))
            try optimizer.clearGradients()
            try network.loss(input, targets).backward()
            try optimizer.step(learningRate: 0.01)
        }

        @Test func theSameSeedGivesTheSameBits() throws {
            try TorchRuntime.start(threads: 2)
            #expect(try trained(steps: 20) == trained(steps: 20))
        }

        @Test func trainingLeavesNothingBehind() throws {
            try TorchRuntime.start(threads: 1)
            let network = try SmallNetwork()
            let optimizer = try Adam(groups: [ParameterGroup(parameters: network.parameters)])
            for step in 0..<1000 { try train(network, optimizer, step) }
            try optimizer.clearGradients()
            let (tensors, memory) = (TorchTensor.liveCount, try residentMegabytes())
            for step in 0..<10_000 { try train(network, optimizer, step) }
            try optimizer.clearGradients()
            #expect(TorchTensor.liveCount == tensors)
            #expect(try residentMegabytes() - memory < 8)
        }

        private func residentMegabytes() throws -> Double {
            let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
            return try #require(line.split(separator: " ").compactMap { Double($0) }.first) / 1024
        }
    }
}
