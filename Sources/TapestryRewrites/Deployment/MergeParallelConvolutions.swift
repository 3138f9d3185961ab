import TapestryCore

extension DeployingNetwork {
    /// Makes one convolution of two that take the same value and whose values only their sum takes: convolutions are
    /// linear in their kernels. The branches of an asymmetric convolution block become one kernel by this; the result has
    /// the sum's name.
    ///
    /// Kernels lie on each other where their taps read the same places, whatever the paddings and dilations that bring
    /// them there. A ternary convolution that is worth keeping so stays by itself: the sum of two is not ternary.
    mutating func mergeParallelConvolutions() throws(GraphError) {
        try forEachNode { network, node throws(GraphError) in
            if node.operation == .add { try network.mergeConvolutions(at: node) }
        }
    }

    private mutating func mergeConvolutions(at sum: Node) throws(GraphError) {
        guard let a = branch(sum.inputs[0]), let b = branch(sum.inputs[1]), a.node.inputs == b.node.inputs,
            a.node.name != b.node.name, !isToStayTernary(a.node), !isToStayTernary(b.node),
            let input = try shape(of: a.node.inputs[0]), let output = try shape(of: sum.name),
            let merged = MergedConvolution(a.convolution, b.convolution, input: input, output: output)
        else { return }
        let dense = merged.weights(
            denseWeights(of: a.convolution, named: a.node.name), denseWeights(of: b.convolution, named: b.node.name))
        let outputs = merged.convolution.outputChannels
        let (biasA, biasB) = (
            biases(named: a.node.name, outputs: outputs), biases(named: b.node.name, outputs: outputs)
        )
        origins[sum.name] = mergedOrigin(a.node.name, b.node.name, mainIsFirst: merged.firstHoldsAll)
        for branch in [a, b] { remove(branch.node.name, substituting: branch.node.inputs[0]) }
        setWeights(of: merged.convolution, named: sum.name, to: dense)
        if merged.convolution.hasBias {
            tensors["\(sum.name).bias"] = Tensor(shape: [outputs], elements: zip(biasA, biasB).map { $0 + $1 })
        }
        replace(
            sum.name, by: Node(name: sum.name, operation: .convolution(merged.convolution), inputs: a.node.inputs))
    }

    private func mergedOrigin(_ a: String, _ b: String, mainIsFirst: Bool?) -> Origin {
        let both = [a, b].compactMap { origins[$0] }
        let main = mainIsFirst.flatMap { both[$0 ? 0 : 1].main }
        let layers = both.flatMap { [$0.main].compactMap { $0 } + $0.others }
        return Origin(main: main, others: layers.filter { $0 != main })
    }

    private func branch(_ name: String) -> (node: Node, convolution: Convolution)? {
        guard let node = node(named: name), case .convolution(let convolution) = node.operation,
            soleConsumer(of: name) != nil
        else { return nil }
        return (node, convolution)
    }

    /// The shape of a value; nil for one that no node has.
    private func shape(of name: String) throws(GraphError) -> Shape? {
        if name == Graph.inputName { return graph.inputShape }
        let shapes = try graph.outputShapes()
        return nodes.firstIndex { $0.name == name }.map { shapes[$0] }
    }
}

/// One convolution that is the sum of two.
private struct MergedConvolution {
    /// Where the taps of a kernel lie along one axis: the first one's place relative to the output's, and the step.
    private struct Axis: Equatable {
        var first: Int
        var count: Int
        var step: Int

        init(first: Int, count: Int, step: Int) { (self.first, self.count, self.step) = (first, count, step) }

        /// The shortest axis with the places of both; nil where no one step has them all.
        init?(_ a: Axis, _ b: Axis) {
            guard a.count == 1 || b.count == 1 || a.step == b.step else { return nil }
            step = a.count > 1 ? a.step : b.step
            guard (b.first - a.first) % step == 0 else { return nil }
            first = min(a.first, b.first)
            count = (max(a.last(step), b.last(step)) - first) / step + 1
        }

        private func last(_ step: Int) -> Int { first + (count - 1) * step }

        /// What of this axis is the first place of `other`.
        func index(ofFirst other: Axis) -> Int { (other.first - first) / step }

        /// The padding behind that gives `outputs` positions.
        func padding(outputs: Int, stride: Int, input: Int) -> Int {
            (outputs - 1) * stride + (count - 1) * step + 1 + first - input
        }
    }

    let convolution: Convolution
    /// Whether the first of the two has every tap of both, or else the second; nil where neither has.
    let firstHoldsAll: Bool?
    private let offsets: [(row: Int, column: Int)]
    private let terms: [Convolution]

    /// Nil where the two do not fit on one grid. `input` is the shape of what they take, `output` of what they make.
    init?(_ a: Convolution, _ b: Convolution, input: Shape, output: Shape) {
        guard a.inputChannels == b.inputChannels, a.outputChannels == b.outputChannels, a.groups == b.groups,
            a.stride == b.stride
        else { return nil }
        func rows(_ convolution: Convolution) -> Axis {
            Axis(first: -convolution.padding.top, count: convolution.kernel.height, step: convolution.dilation.height)
        }
        func columns(_ convolution: Convolution) -> Axis {
            Axis(first: -convolution.padding.left, count: convolution.kernel.width, step: convolution.dilation.width)
        }
        guard let height = Axis(rows(a), rows(b)), let width = Axis(columns(a), columns(b)) else { return nil }
        var merged = a
        merged.hasBias = a.hasBias || b.hasBias
        merged.kernel = Size(height: height.count, width: width.count)
        merged.dilation = Size(height: height.step, width: width.step)
        merged.padding = Padding(
            top: -height.first, left: -width.first,
            bottom: height.padding(outputs: output[1], stride: a.stride.height, input: input[1]),
            right: width.padding(outputs: output[2], stride: a.stride.width, input: input[2]))
        merged.support = .dense
        terms = [a, b]
        offsets = terms.map { (height.index(ofFirst: rows($0)), width.index(ofFirst: columns($0))) }
        let kept = Self.positions(of: terms, offsets: offsets, in: merged)
        // One that has every position of the other keeps its own form, with the padding as its network states it.
        let wholes = terms.map { term in
            term.kernel == merged.kernel && term.weightCount == kept.count
        }
        firstHoldsAll = wholes.firstIndex(of: true).map { $0 == 0 }
        if let index = wholes.firstIndex(of: true) {
            merged.padding = terms[index].padding
            merged.support = terms[index].support
        } else {
            merged.support = merged.plainestSupport(keeping: kept)
        }
        guard (try? merged.validate()) != nil else { return nil }
        convolution = merged
    }

    private static func positions(
        of terms: [Convolution], offsets: [(row: Int, column: Int)], in merged: Convolution
    ) -> WeightMask {
        var isKept = Array(repeating: false, count: merged.denseWeightShape.count)
        for (term, offset) in zip(terms, offsets) {
            term.forEachWeight { _, _, position in isKept[term.place(position, movedBy: offset, in: merged)] = true }
        }
        return WeightMask(size: isKept.count) { isKept[$0] }
    }

    /// The sum of the two dense kernels on the merged one.
    func weights(_ a: Tensor<Double>, _ b: Tensor<Double>) -> Tensor<Double> {
        var sum = Tensor<Double>(shape: convolution.denseWeightShape, repeating: 0)
        for (index, dense) in [a, b].enumerated() {
            for position in 0..<dense.shape.count {
                let place = terms[index].place(position, movedBy: offsets[index], in: convolution)
                sum.elements[place] += dense.elements[position]
            }
        }
        return sum
    }
}

extension Convolution {
    /// The index, in the dense kernel of `merged`, of a position in this one's that is moved by some rows and columns.
    fileprivate func place(
        _ position: Int, movedBy offset: (row: Int, column: Int), in merged: Convolution
    ) -> Int {
        let (kernelIndex, tap) = position.quotientAndRemainder(dividingBy: kernel.area)
        let (output, channel) = kernelIndex.quotientAndRemainder(dividingBy: channelsPerGroup)
        return merged.densePosition(
            output, channel, Tap(row: tap / kernel.width + offset.row, column: tap % kernel.width + offset.column))
    }

    /// The form of support that says most simply which positions of the dense kernel are kept.
    fileprivate func plainestSupport(keeping mask: WeightMask) -> Support {
        guard mask.count < mask.size else { return .dense }
        var sets: [TapSet] = []
        for output in 0..<outputChannels {
            let taps = Tap.all(of: kernel).filter { mask.contains(densePosition(output, 0, $0)) }
            // Each tap is one of all channels or of none.
            let isUniform = Tap.all(of: kernel).allSatisfy { tap in
                let isKept = taps.contains(tap)
                return (0..<channelsPerGroup).allSatisfy { mask.contains(densePosition(output, $0, tap)) == isKept }
            }
            guard isUniform, let set = try? TapSet(taps) else { return .mask(mask) }
            sets.append(set)
        }
        // The widest groups of equal neighbours; of one output at the least.
        let width = (1...outputChannels).last { width in
            outputChannels % width == 0 && sets.indices.allSatisfy { sets[$0] == sets[$0 / width * width] }
        }
        return .tapSets(Swift.stride(from: 0, to: outputChannels, by: width ?? 1).map { sets[$0] })
    }
}
