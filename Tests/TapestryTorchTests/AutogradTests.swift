import TapestryCore
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Gradients") struct Gradients {
        @Test func theyAreThoseOfFiniteDifferences() throws {
            let network = try SmallNetwork(as: .float64)
            let input = try randomTensor([3, 2, 5, 5], key: 6, as: .float64, requiresGrad: true)
            let targets = try TorchTensor(Tensor<Int64>(shape: [3], elements: [0, 2, 1]))
            try network.loss(input, targets).backward()
            for element in network.parameters + [NamedTensor(name: "input", tensor: input)] {
                let gradient = try #require(element.tensor.grad).host(Double.self)
                let start = try element.tensor.host(Double.self)
                for index in stride(from: 0, to: start.shape.count, by: 1 + start.shape.count / 20) {
                    let step = 1e-5
                    func loss(_ offset: Double) throws -> Double {
                        var moved = start
                        moved.elements[index] += offset
                        return try Torch.withoutGradients {
                            try element.tensor.copy(from: try TorchTensor(moved))
                            return try network.loss(input, targets).item()
                        }
                    }
                    let slope = (try loss(step) - loss(-step)) / (2 * step)
                    #expect(abs(slope - gradient.elements[index]) < 1e-7, "\(element.name)[\(index)]")
                }
                try Torch.withoutGradients { try element.tensor.copy(from: try TorchTensor(start)) }
            }
        }

        @Test func theyAddUpAndCanBeRemoved() throws {
            let x = try TorchTensor(Tensor<Float>(shape: [2], elements: [1, 2]))
            #expect(x.grad == nil && !x.requiresGrad)
            try x.setRequiresGrad(true)
            let upstream = try TorchTensor(Tensor<Float>(shape: [2], elements: [1, 10]))
            let y = try x.multiply(by: x)
            try y.backward(upstream: upstream, retainGraph: true)
            #expect(try x.grad?.host().elements == [2, 40])
            try y.backward(upstream: upstream)
            #expect(try x.grad?.host().elements == [4, 80])
            #expect(throws: TorchError.self) { try y.backward(upstream: upstream) }
            #expect(throws: TorchError.self) { try x.multiply(by: 2).backward() }
            #expect(throws: TorchError.self) { try x.setGrad(try .full([3], 0)) }
            #expect(throws: TorchError.self) { try x.setGrad(try .full([2], 0, as: .float64)) }
            #expect(try x.grad?.host().elements == [4, 80])
            try x.grad?.zero()
            #expect(try x.grad?.host().elements == [0, 0])
            try x.setGrad(nil)
            #expect(x.grad == nil)
        }

        @Test func theyStopWhereTheyAreSwitchedOff() throws {
            let x = try randomTensor([2], key: 1, requiresGrad: true)
            struct Stop: Error {}
            #expect(throws: Stop.self) { try Torch.withoutGradients { throw Stop() } }
            #expect(Torch.isGradEnabled)
            #expect(try !Torch.withoutGradients { try x.relu().requiresGrad })
            #expect(try x.relu().requiresGrad && !x.detached().requiresGrad)
            let integers = try TorchTensor(Tensor<Int64>(shape: [1], elements: [1]))
            #expect(throws: TorchError.self) { try integers.setRequiresGrad(true) }
        }

        @Test func autocastComputesInBfloat16() throws {
            let network = try SmallNetwork()
            let input = try randomTensor([3, 2, 5, 5], key: 6)
            let targets = try TorchTensor(Tensor<Int64>(shape: [3], elements: [0, 2, 1]))
            let loss = try Torch.withAutocast(on: .cpu) {
                #expect(try network.logits(input).dataType == .bfloat16)
                return try network.loss(input, targets)
            }
            #expect(loss.dataType == .float32)
            try loss.backward()
            #expect(network.weight.grad?.dataType == .float32)
            #expect(abs(try loss.item() - network.loss(input, targets).item()) < 0.05)
            #expect(try network.logits(input).dataType == .float32)
            // The cache is dropped: a weight changed between scopes is cast anew.
            let before = try Torch.withAutocast(on: .cpu) { try network.logits(input).host().elements }
            try Torch.withoutGradients { try network.head.zero() }
            let after = try Torch.withAutocast(on: .cpu) { try network.logits(input).host().elements }
            #expect(before != after)
            #expect(throws: TorchError.self) { try Torch.withAutocast(on: .cpu, to: .float64) {} }
        }
    }
}
