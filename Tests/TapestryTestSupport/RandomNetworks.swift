import TapestryCore

extension RandomStream {
    public mutating func integer(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + integer(below: range.count)
    }

    public mutating func chance(_ probability: Double) -> Bool { uniform() < probability }

    public mutating func tensor(_ shape: Shape, in range: ClosedRange<Double> = -1...1) -> Tensor<Double> {
        Tensor(shape: shape, elements: (0..<shape.count).map { _ in uniform(in: range) })
    }

    /// Any support of a convolution that is dense so far; a mask may leave outputs without a weight.
    public mutating func support(of convolution: Convolution) -> Support {
        switch integer(below: 5) {
        case 0: return .dense
        case 3:
            let (inputs, outputs) = (convolution.inputChannels, convolution.outputChannels)
            let parts = (1...inputs).filter { inputs % $0 == 0 && outputs % $0 == 0 }
            let isPossible =
                convolution.groups == 1 && convolution.kernel.height % 2 == 1 && convolution.kernel.width % 2 == 1
            return isPossible ? .blockDiagonal(parts: parts[integer(below: parts.count)]) : .dense
        case 4:
            let taps = Tap.all(of: convolution.kernel)
            return .channelTaps((0..<convolution.channelsPerGroup).map { _ in taps[integer(below: taps.count)] })
        case 1:
            let divisors = (1...convolution.outputChannels).filter { convolution.outputChannels % $0 == 0 }
            let area = convolution.kernel.area
            let sets = (0..<divisors[integer(below: divisors.count)]).map { _ in
                let taps = permutation(of: area).prefix(integer(in: 1...area)).map { $0 + 1 }
                // Distinct and inside by construction.
                return try! TapSet(numbers: Array(taps), in: convolution.kernel)
            }
            return .tapSets(sets)
        default:
            let density = uniform()
            let kept = (0..<convolution.denseWeightShape.count).map { _ in chance(density) }
            return .mask(WeightMask(size: kept.count) { kept[$0] })
        }
    }

    /// A small convolution with every attribute drawn: uneven kernels, strides and paddings, dilation, groups, support.
    public mutating func convolution(inputChannels: Int? = nil) -> Convolution {
        let groups = inputChannels.map { chance(0.7) ? 1 : $0 } ?? integer(in: 1...3)
        func pads() -> Int { chance(0.5) ? 0 : integer(in: -1...3) }
        var convolution = Convolution(
            inputChannels: inputChannels ?? groups * integer(in: 1...3), outputChannels: groups * integer(in: 1...4),
            kernel: Size(height: integer(in: 1...4), width: integer(in: 1...4)),
            stride: Size(height: integer(in: 1...3), width: integer(in: 1...3)),
            padding: Padding(top: pads(), left: pads(), bottom: pads(), right: pads()),
            dilation: Size(height: integer(in: 1...2), width: integer(in: 1...2)), groups: groups, hasBias: chance(0.5))
        convolution.support = support(of: convolution)
        return convolution
    }

    /// A verified network of a few operations of every kind, residual sums among them.
    public mutating func graph() -> Graph {
        // Draws that do not fit their input are dropped: small windows and strides leave plenty that do.
        while true {
            let input = Shape([integer(in: 1...4), integer(in: 8...14), integer(in: 8...14)])
            if let graph = try? Graph.build(input: input, { image in body(of: image, layers: integer(in: 1...8)) }) {
                return graph
            }
        }
    }

    private mutating func body(of image: GraphBuilder.Value, layers: Int) -> GraphBuilder.Value {
        var x = image
        for layer in 0..<layers {
            let name = "layer\(layer)"
            switch integer(below: 11) {
            case 0...2: x = x.applying(.convolution(convolution(inputChannels: x.channels)), named: name)
            case 3: x = chance(0.7) ? x.batchNorm(name).relu() : x.affine(name)
            case 4: x = x.maxPool(name, kernel: integer(in: 2...3), stride: integer(in: 1...2), padding: 1)
            case 5: x = x.averagePool(name, kernel: 2, stride: integer(in: 1...2))
            case 6: x = x.paddingChannels(name, before: integer(in: 0...2), after: integer(in: 0...2))
            case 7: x = x.shift(name, kernel: chance(0.7) ? 3 : 1, dilation: integer(in: 1...2))
            case 8: x = chance(0.5) ? x.swish(name) : x.sigmoid(name)
            case 9:
                let gate = x.globalAveragePool("\(name).squeeze").linear("\(name).gate", to: x.channels).sigmoid()
                x = x.scalingChannels(by: gate, named: name).dropBranch("\(name).drop", probability: 0.5)
            default:
                x = x.convolution("\(name).branch", to: x.channels, kernel: 3, padding: 1)
                    .adding(chance(0.5) ? x : x.stoppingGradient("\(name).detach"), named: name)
            }
        }
        return (chance(0.5) ? x.globalAveragePool() : x.flatten()).linear("fc", to: integer(in: 1...5))
    }

    /// Weights of a size with which a network of a few layers neither vanishes nor explodes.
    public mutating func weights(for graph: Graph) -> Weights {
        var weights = Weights()
        for parameter in graph.parameters {
            let bound = 1.5 / Double(max(parameter.fanIn, 1)).squareRoot()
            let range: ClosedRange<Double> =
                switch parameter.role {
                case .convolutionWeight, .linearWeight: -bound...bound
                case .batchNormWeight, .scale, .runningVariance: 0.5...1.5
                case .bias, .batchNormBias, .runningMean: -0.5...0.5
                }
            weights.tensors[parameter.name] = tensor(parameter.shape, in: range).map { Float($0) }
        }
        for name in graph.nodes.compactMap(\.batchCountName) { weights.batchCounts[name] = Int64(integer(below: 100)) }
        return weights
    }
}
