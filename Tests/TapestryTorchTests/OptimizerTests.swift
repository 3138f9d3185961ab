import Foundation
import TapestryCore
import TapestryTorch
import Testing

extension TorchTests {
    /// Against PyTorch itself: Scripts/fixtures/optimizers.py.
    @Suite("Optimizers") struct Optimizers {
        private struct Recorded: Decodable {
            struct Clipping: Decodable {
                let maximum: Double
                let norm: Double
                let gradients: [[Double]]
            }
            let shapes: [[Int]]
            let learningRates, weightDecays, learningRateFactors: [Double]
            let start: [[Double]]
            let gradients: [[[Double]]]
            let trajectories: [String: [[[Double]]]]
            let clipping: [Clipping]

            func tensors(_ elements: [[Double]]) throws -> [TorchTensor] {
                try zip(shapes, elements).map {
                    try TorchTensor(Tensor(shape: Shape($0), elements: $1), as: .float32)
                }
            }

            /// A group for each parameter.
            func groups() throws -> [ParameterGroup] {
                try tensors(start).enumerated().map { index, tensor in
                    ParameterGroup(
                        parameters: [NamedTensor(name: "p\(index)", tensor: tensor)],
                        weightDecay: weightDecays[index], learningRateFactor: learningRateFactors[index])
                }
            }

            func step(_ optimizer: any Optimizer, _ index: Int) throws {
                for (parameter, gradient) in zip(optimizer.parameters, try tensors(gradients[index])) {
                    try parameter.tensor.setGrad(gradient)
                }
                try optimizer.step(learningRate: learningRates[index])
            }
        }

        private static let names = ["sgd", "sgd momentum", "sgd nesterov", "adam", "adamw"]

        private let recorded: Recorded

        init() throws {
            let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            let file = tests.appendingPathComponent("Fixtures/optimizers/trajectories.json")
            recorded = try JSONDecoder().decode(Recorded.self, from: Data(contentsOf: file))
        }

        private func make(_ name: String, _ groups: [ParameterGroup]? = nil) throws -> any Optimizer {
            let groups = try groups ?? recorded.groups()
            return switch name {
            case "sgd": try SGD(groups: groups)
            case "sgd momentum": try SGD(groups: groups, momentum: 0.9)
            case "sgd nesterov": try SGD(groups: groups, momentum: 0.9, nesterov: true)
            case "adam": try Adam(groups: groups, betas: (0.9, 0.99), epsilon: 1e-6)
            default: try AdamW(groups: groups, betas: (0.9, 0.99), epsilon: 1e-6)
            }
        }

        private func values(_ tensors: [NamedTensor]) throws -> [[Float]] {
            try tensors.map { try $0.tensor.host().elements }
        }

        @Test(arguments: names) func stepsAreThoseOfPyTorch(_ name: String) throws {
            let optimizer = try make(name)
            let expected = try #require(recorded.trajectories[name])
            for (index, expected) in expected.enumerated() {
                try recorded.step(optimizer, index)
                for (found, wanted) in zip(try values(optimizer.parameters).joined(), expected.joined()) {
                    #expect(abs(Double(found) - wanted) < 1e-6, "step \(index)")
                }
            }
        }

        @Test(arguments: names) func howTensorsLieMakesNoDifference(_ name: String) throws {
            let found = try [MemoryFormat.contiguous, .channelsLast].map { format in
                func tensor(_ key: UInt64) throws -> TorchTensor {
                    try TorchTensor(random([3, 2, 3, 5], key: key), memoryFormat: format)
                }
                let group = ParameterGroup(
                    parameters: [NamedTensor(name: "p0", tensor: try tensor(0))], weightDecay: 0.1)
                try group.parameters[0].tensor.setRequiresGrad(true)
                let optimizer = try make(name, [group])
                for step in 1..<4 {
                    try optimizer.parameters[0].tensor.setGrad(try tensor(UInt64(step)))
                    try optimizer.step(learningRate: 0.1)
                }
                return try values(optimizer.parameters + optimizer.state)
            }
            #expect(found[0] == found[1])
        }

        @Test(arguments: names) func aResumedTrainingIsTheSameBitByBit(_ name: String) throws {
            let whole = try make(name)
            let first = try make(name)
            for step in 0..<2 { try recorded.step(first, step) }
            let saved = try (first.parameters + first.state).map {
                NamedTensor(name: $0.name, tensor: try TorchTensor(try $0.tensor.host()))
            }
            let second = try make(name)
            for (parameter, copy) in zip(second.parameters, saved) { try parameter.tensor.copy(from: copy.tensor) }
            try second.load(state: Array(saved.dropFirst(second.parameters.count)).reversed())
            for step in 0..<5 { try recorded.step(whole, step) }
            for step in 2..<5 { try recorded.step(second, step) }
            #expect(try values(second.parameters) == values(whole.parameters))
            #expect(try values(second.state) == values(whole.state))
        }

        @Test(arguments: names) func resetItIsANewOptimiser(_ name: String) throws {
            let optimizer = try make(name)
            for step in 0..<2 { try recorded.step(optimizer, step) }
            let new = try make(name)
            for (parameter, moved) in zip(new.parameters, optimizer.parameters) {
                try parameter.tensor.copy(from: moved.tensor)
            }
            try optimizer.reset()
            #expect(try values(optimizer.state) == values(new.state))
            for step in 2..<5 {
                try recorded.step(optimizer, step)
                try recorded.step(new, step)
            }
            #expect(try values(optimizer.parameters) == values(new.parameters))
            #expect(try values(optimizer.state) == values(new.state))
        }

        @Test func aStateThatIsNotItsOwnIsRefusedWhole() throws {
            let optimizer = try make("adam")
            try recorded.step(optimizer, 0)
            #expect(optimizer.state.map(\.name).prefix(3) == ["p0.exp_avg", "p0.exp_avg_sq", "p0.step"])
            let before = try values(optimizer.state)
            var wrong = try optimizer.state.map { NamedTensor(name: $0.name, tensor: try .full($0.tensor.shape, 7)) }
            #expect(throws: TorchError.self) { try optimizer.load(state: wrong.dropLast()) }
            wrong[5] = NamedTensor(name: wrong[5].name, tensor: try .full([2], 7))
            #expect(throws: TorchError.self) { try optimizer.load(state: wrong) }
            wrong[5] = NamedTensor(name: "other", tensor: try .full([], 7))
            let error = #expect(throws: TorchError.self) { try optimizer.load(state: wrong) }
            #expect(error?.message == "'p1.step' is missing")
            #expect(try values(optimizer.state) == before)
        }

        @Test func parametersWithoutGradientStay() throws {
            let optimizer = try make("adamw")
            let before = try values(optimizer.parameters)
            try optimizer.parameters[1].tensor.setGrad(try .full(optimizer.parameters[1].tensor.shape, 1))
            try optimizer.step(learningRate: 0.1)
            let after = try values(optimizer.parameters)
            #expect(after[0] == before[0] && after[1] != before[1])
            #expect(try optimizer.state.filter { $0.name.hasSuffix("step") }.map { try $0.tensor.item() } == [0, 1])
            try optimizer.clearGradients()
            #expect(optimizer.parameters.allSatisfy { $0.tensor.grad == nil })
            let mixed = [ParameterGroup(parameters: optimizer.parameters + optimizer.parameters)]
            #expect(throws: TorchError.self) { try SGD(groups: mixed) }
        }

        @Test func clippingIsThatOfPyTorch() throws {
            for expected in recorded.clipping {
                let tensors = try recorded.tensors(recorded.start)
                for (tensor, gradient) in zip(tensors, try recorded.tensors(recorded.gradients[0])) {
                    try tensor.setGrad(gradient)
                }
                let norm = try Torch.clipGradientNorm(of: tensors, to: expected.maximum).item()
                #expect(abs(norm - expected.norm) < 1e-6)
                for (tensor, wanted) in zip(tensors, expected.gradients) {
                    let found = try #require(tensor.grad).host(Double.self).elements
                    #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-6 })
                }
            }
            #expect(try Torch.clipGradientNorm(of: [], to: 1).item() == 0)
        }

        @Test func averagesFollowAndAreLentForEvaluation() throws {
            let x = try TorchTensor(Tensor<Float>(shape: [2], elements: [0, 8]))
            try x.setRequiresGrad(true)
            let average = try ExponentialMovingAverage(parameters: [NamedTensor(name: "x", tensor: x)], decay: 0.75)
            try Torch.withoutGradients { try x.copy(from: try .full([2], 4)) }
            try average.update()
            #expect(try average.averages[0].tensor.host().elements == [1, 7])
            struct Stop: Error {}
            #expect(throws: Stop.self) {
                try average.withAverages {
                    #expect(try x.host().elements == [1, 7])
                    throw Stop()
                }
            }
            #expect(try x.host().elements == [4, 4] && x.requiresGrad)
            try average.load([NamedTensor(name: "x", tensor: try .full([2], 3))])
            #expect(try average.withAverages { try x.host().elements } == [3, 3])
        }
    }
}
