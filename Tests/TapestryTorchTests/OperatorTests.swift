import TapestryCore
import TapestryTorch
import Testing

extension TorchTests {
    @Suite("Operators") struct Operators {
        private func tensor(_ elements: [Float], _ shape: Shape? = nil) throws -> TorchTensor {
            try TorchTensor(Tensor(shape: shape ?? [elements.count], elements: elements))
        }

        @Test func argumentsFollowTheSchema() throws {
            let x = try tensor([1, 2, 3, 4], [1, 1, 2, 2])
            #expect(try Torch.call("aten::add.Tensor", [.tensor(x), .tensor(x)])[0].host().elements == [2, 4, 6, 8])
            // An integer for a scalar, a list where one is optional, a data type, a skipped argument.
            let halves = try Torch.call("aten::add.Tensor", [.tensor(x), .tensor(x), 2])
            #expect(try halves[0].host().elements == [3, 6, 9, 12])
            let sum = try Torch.call("aten::sum.dim_IntList", [.tensor(x), [2, 3], .omitted, .dataType(.float64)])
            #expect(sum[0].dataType == .float64 && sum[0].shape == [1, 1])
            #expect(try Torch.call("aten::sum.dim_IntList", [.tensor(x), nil])[0].item() == 10)
            // Several outputs; a list of tensors both ways; a device.
            #expect(try Torch.call("aten::topk", [.tensor(x), 1]).count == 2)
            #expect(try Torch.call("aten::unbind.int", [.tensor(x), 2]).map(\.shape) == [[1, 1, 2], [1, 1, 2]])
            #expect(try Torch.call("aten::cat", [.tensors([x, x]), 1])[0].shape == [1, 2, 2, 2])
            let zeros = try Torch.call("aten::zeros", [[2], .dataType(.int64), nil, "cpu"])
            #expect(zeros[0].dataType == .int64 && zeros[0].shape == [2])
            // A list of optional tensors, and booleans.
            let index = try TorchTensor(Tensor<Int64>(shape: [1], elements: [0]))
            #expect(try Torch.call("aten::index.Tensor", [.tensor(x), .tensors([index])])[0].shape == [1, 1, 2, 2])
            let ones = try tensor([1, 1, 1, 1], [1, 1, 2, 2])
            let gradients = try Torch.call(
                "aten::convolution_backward",
                [
                    .tensor(ones), .tensor(x), .tensor(try tensor([3], [1, 1, 1, 1])), [1], [1, 1], [0, 0], [1, 1],
                    false, [0, 0], 1, .booleans([true, true, true]),
                ])
            #expect(try gradients.map { try $0.host().elements } == [[3, 3, 3, 3], [10], [4]])
        }

        @Test func whatDoesNotFitIsRefusedByName() throws {
            let x = try tensor([1, 2])
            let before = TorchTensor.liveCount
            let wrong: [(String, [TorchValue], String)] = [
                ("aten::no_such_operator", [], "no_such_operator"),
                ("no namespace", [], ""),
                ("aten::add.Tensor", [.tensor(x)], "argument 'other' is missing"),
                ("aten::add.Tensor", [.tensor(x), 1], "argument 'other' takes Tensor, given an integer"),
                ("aten::relu", [nil], "argument 'self' takes Tensor, given nothing"),
                ("aten::relu", [.tensor(x), 1], "takes 1 arguments, given 2"),
                ("aten::cat", [.tensors([x]), 0.5], "argument 'dim' takes int, given a real number"),
                ("aten::reshape", [.tensor(x), "2"], "argument 'shape' takes SymInt[], given a string"),
                ("aten::item", [.tensor(x)], "which is no tensor"),
                ("aten::mm", [.tensor(x), .tensor(x)], "self must be a matrix"),
            ]
            for (name, arguments, reason) in wrong {
                let error = #expect(throws: TorchError.self) { try Torch.call(name, arguments) }
                #expect(error?.operation == name)
                #expect(error?.message.contains(reason) == true, "\(name): \(error?.message ?? "nothing")")
                #expect(error?.message.contains(where: \.isNewline) == false)
                #expect(error?.message.contains("frame #") == false)
            }
            #expect(TorchTensor.liveCount == before)
        }

        @Test func messagesAreOneLineWithoutTheStack() {
            let text = "size mismatch,\n  got 3\nException raised from check at x.cpp:3\nframe #0: 0x1"
            #expect(TorchError(operation: "f", message: text).description == "f: size mismatch, got 3")
        }

        @Test func layersDoWhatTheySay() throws {
            let x = try tensor([1, -2, 3, -4], [1, 1, 2, 2])
            #expect(try x.relu().host().elements == [1, 0, 3, 0])
            #expect(try x.maxPool2d(kernel: [2, 2], stride: [2, 2]).item() == 3)
            #expect(try x.avgPool2d(kernel: [2, 2], stride: [2, 2]).item() == -0.5)
            #expect(try x.adaptiveAvgPool2d(to: [1, 1]).item() == -0.5)
            #expect(try x.mean(over: [2, 3]).item() == -0.5)
            let padded = try x.constantPad([(0, 2), (0, 0), (1, 0)], value: 9)
            #expect(padded.shape == [1, 3, 2, 3])
            #expect(try padded.host().elements == [9, 1, -2, 9, 3, -4] + Array(repeating: 9, count: 12))
            let (two, one) = (try tensor([2], [1, 1, 1, 1]), try tensor([1]))
            let doubled = try x.convolution(weight: two, bias: one, stride: [2, 1])
            #expect(try doubled.host().elements == [3, -3])
            #expect(try x.narrow(along: 3, start: 1, length: 1).flattened().host().elements == [-2, -4])
            #expect(try x.reshaped(to: [-1]).argmax(along: 0).item() == 2)
            #expect(try x.isFinite() && !x.multiply(by: .infinity).isFinite())
            #expect(try x.equal(to: try x.cloned()).sum().item() == 4)
        }

        @Test func crossEntropyTakesClassesAndProbabilities() throws {
            let logits = try randomTensor([2, 3], key: 7)
            let classes = try TorchTensor(Tensor<Int64>(shape: [2], elements: [2, 0]))
            let smoothed = try tensor([0.1, 0.1, 0.8, 0.8, 0.1, 0.1], [2, 3])
            let byClass = try logits.crossEntropy(targets: classes, labelSmoothing: 0.3, reduction: .none)
            let byProbability = try logits.crossEntropy(targets: smoothed, reduction: .none)
            let direct = try logits.logSoftmax(along: 1).multiply(by: smoothed).sum(over: [1]).multiply(by: -1)
            for (a, (b, c)) in zip(
                try byClass.host().elements, zip(try byProbability.host().elements, try direct.host().elements))
            {
                #expect(abs(a - b) < 1e-6 && abs(a - c) < 1e-6)
            }
        }
    }
}
