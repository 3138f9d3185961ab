import Foundation
import TapestryCore
import TapestryTorch
import Testing

extension TorchTests {
    /// Threads stand for processes: what is between them, connections by TCP or memory that each has mapped for itself, is
    /// the same.
    @Suite("Groups of processes") struct ProcessGroups {
        @Test(arguments: [1, 2, 4], [true, false]) func theyAddUpAndGiveOut(count: Int, sharingMemory: Bool) throws {
            let results = try withProcesses(count, sharingMemory: sharingMemory) { group in
                #expect(group.connection == (sharingMemory ? .sharedMemory : .gloo("so asked for")))
                let own = Double(group.rank + 1)
                let sums = try group.reduced([own, 2 * own])
                let least = try group.reduced([own, -own], by: .minimum)
                let given = try TorchTensor(Tensor<Float>(shape: [2], elements: [Float(own), 5]))
                try group.broadcast([given])
                let bytes = try group.broadcast(group.rank == 0 ? Array("from rank 0".utf8) : [])
                let none = try group.broadcast(group.rank == 0 ? [] : [1, 2])
                let ranks = try group.gathered(Array(repeating: UInt8(group.rank), count: group.rank))
                try group.barrier()
                return (sums, least, try given.host().elements, String(decoding: bytes, as: UTF8.self), none, ranks)
            }
            let sum = Double(count * (count + 1) / 2)
            for result in results {
                let (sums, least, given, text, none, ranks) = try result.get()
                #expect(sums == [sum, 2 * sum])
                #expect(least == [1, -Double(count)])
                #expect(given == [1, 5])
                #expect(text == "from rank 0" && none.isEmpty)
                #expect(ranks == (0..<count).map { Array(repeating: UInt8($0), count: $0) })
            }
        }

        /// Gradients of a batch, by parameter, of so many processes that share it.
        private func gradients(processes count: Int, images: Int, sharingMemory: Bool = true) throws -> [[[Float]]] {
            try withProcesses(count, sharingMemory: sharingMemory) { group in
                let network = try SmallNetwork()
                let share = share(of: images, group)
                let input = try randomTensor([images, 2, 5, 5], key: 6)
                let labels = (0..<images).map { Int64($0 * 7 % 3) }
                // Small, so that there are several.
                let buckets = GradientReducer.BucketSizes(firstBytes: 64, bytes: 256)
                let reducer = try GradientReducer(network.parameters.map(\.tensor), in: group, buckets: buckets)
                var passes: [[[Float]]] = []
                // The reducer would choose other buckets after its first pass.
                for _ in 0..<3 {
                    for parameter in network.parameters { try parameter.tensor.setGrad(nil) }
                    let own = try input.narrow(along: 0, start: share.lowerBound, length: share.count)
                    let targets = try TorchTensor(Tensor(shape: [share.count], elements: Array(labels[share])))
                    let normalized = try own.convolution(weight: network.weight, padding: [1, 1]).batchNorm(
                        weight: network.scale, bias: network.shift, runningMean: network.mean,
                        runningVariance: network.variance, momentum: 0.1, epsilon: 1e-5, synchronizedBy: group)
                    let logits = try normalized.reluInPlace().flattened().linear(
                        weight: network.head, bias: network.bias)
                    let loss = try logits.crossEntropy(targets: targets, labelSmoothing: 0.1, reduction: .sum)
                    try reducer.backward(try loss.multiply(by: Double(group.size) / Double(images)))
                    passes.append(try network.parameters.map { try $0.tensor.grad!.host().elements })
                }
                #expect(passes.allSatisfy { $0 == passes[0] })
                return passes[0] + [try network.mean.host().elements, try network.variance.host().elements]
            }.map { try $0.get() }
        }

        /// Of a batch that divides, of one that does not, and of one of which one process has nothing.
        @Test(arguments: [2, 4], [12, 7, 3]) func gradientsAreThoseOfOneProcess(count: Int, images: Int) throws {
            let expected = try singleGradients(images: images)
            let found = try gradients(processes: count, images: images)
            for rank in found {
                #expect(rank == found[0])
                for (ours, whole) in zip(rank, expected) {
                    for (one, other) in zip(ours, whole) { #expect(abs(one - other) < 1e-5) }
                }
            }
            #expect(try gradients(processes: count, images: images) == found)
            let byNetwork = try gradients(processes: count, images: images, sharingMemory: false)
            // Of two numbers there is one sum.
            if count == 2 { #expect(byNetwork == found) }
            for (ours, theirs) in zip(found[0], byNetwork[0]) {
                for (one, other) in zip(ours, theirs) { #expect(abs(one - other) < 1e-5) }
            }
        }

        private func singleGradients(images: Int) throws -> [[Float]] {
            let network = try SmallNetwork()
            let input = try randomTensor([images, 2, 5, 5], key: 6)
            let labels = (0..<images).map { Int64($0 * 7 % 3) }
            let targets = try TorchTensor(Tensor(shape: [images], elements: labels))
            for _ in 0..<3 {
                for parameter in network.parameters { try parameter.tensor.setGrad(nil) }
                try network.loss(input, targets).backward()
            }
            return try network.parameters.map { try $0.tensor.grad!.host().elements }
                + [try network.mean.host().elements, try network.variance.host().elements]
        }

        @Test func autocastIsSynchronizedToo() throws {
            let found = try withProcesses(2) { group in
                let network = try SmallNetwork()
                let input = try randomTensor([2, 4, 5, 5], key: 8 + UInt64(group.rank), as: .bfloat16)
                return try input.batchNorm(
                    weight: network.scale, bias: network.shift, runningMean: network.mean,
                    runningVariance: network.variance, momentum: 0.1, epsilon: 1e-5, synchronizedBy: group
                ).host().elements
            }.flatMap { try $0.get() }
            let network = try SmallNetwork()
            let whole = try TorchTensor.concatenate(
                try [8, 9].map { try randomTensor([2, 4, 5, 5], key: $0, as: .bfloat16) }, along: 0)
            let expected = try whole.batchNorm(
                weight: network.scale, bias: network.shift, runningMean: nil, runningVariance: nil, training: true
            ).host().elements
            for (one, other) in zip(found, expected) { #expect(abs(one - other) < 0.02) }
        }

        @Test(arguments: [true, false]) func whoLeavesIsMissed(sharingMemory: Bool) throws {
            let results = try withProcesses(3, sharingMemory: sharingMemory) { group in
                try group.barrier()
                if group.rank == 1 { return }
                _ = try group.reduced([1])
            }
            try results[1].get()
            for rank in [0, 2] {
                let error = #expect(throws: TorchError.self) { try results[rank].get() }
                #expect(error?.isPeerLost == true)
            }
        }

        @Test(arguments: [true, false]) func whoHangsIsMissed(sharingMemory: Bool) throws {
            let results = try withProcesses(2, timeout: .seconds(1), sharingMemory: sharingMemory) { group in
                try group.barrier()
                if group.rank == 1 { Thread.sleep(forTimeInterval: 2) }
                _ = try group.reduced([1])
            }
            let error = #expect(throws: TorchError.self) { try results[0].get() }
            #expect(error?.isPeerLost == true)
        }

        /// In the middle of a backward pass, too.
        @Test(arguments: [true, false]) func whoLeavesBeforeTheBackwardPassIsMissed(sharingMemory: Bool) throws {
            let results = try withProcesses(2, sharingMemory: sharingMemory) { group in
                let weight = try randomTensor([4], key: 1, requiresGrad: true)
                let reducer = try GradientReducer([weight], in: group)
                if group.rank == 1 { return }
                try reducer.backward(try weight.sum())
            }
            let error = #expect(throws: TorchError.self) { try results[0].get() }
            #expect(error?.isPeerLost == true)
        }

        /// Before anyone is met.
        @Test(.enabled(if: !FileManager.default.fileExists(atPath: ProcessGroup.ncclLibrary)))
        func withoutNCCLGPUsAreRefused() throws {
            let meeting = ProcessGroup.Meeting(rank: 0, size: 2, host: "127.0.0.1", port: 1, keepsStore: false)
            let error = #expect(throws: TorchError.self) {
                try ProcessGroup(meeting, timeout: .seconds(1), on: .cuda(0))
            }
            #expect(error?.operation == "nccl" && error?.message.contains(ProcessGroup.ncclLibrary) == true)
        }

        @Test func whoDoesNotComeIsMissed() throws {
            let meeting = ProcessGroup.Meeting(
                rank: 1, size: 2, host: "127.0.0.1", port: 1, keepsStore: false)
            let error = #expect(throws: TorchError.self) { try ProcessGroup(meeting, timeout: .seconds(1)) }
            #expect(error?.isPeerLost == true)
        }
    }
}
