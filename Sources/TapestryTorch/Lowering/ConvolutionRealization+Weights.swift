import TapestryCore

extension ConvolutionRealization {
    /// The name of a piece's parameter in optimisers' states.
    func parameterName(of piece: Int, in node: String) -> String {
        pieces.count == 1 ? "\(node).weight" : "\(node).weight\(pieces[piece].kernel)"
    }

    /// The kernel of each piece, from the stored weights.
    func kernels(from stored: [Tensor<Float>]) -> [Tensor<Float>] {
        let dense = convolution.denseWeights(from: stored)
        var kernels = pieces.indices.map { Tensor<Float>(shape: kernelShape(of: $0), repeating: 0) }
        forEachWeight { kernels[$0].elements[$1] = dense.elements[$2] }
        return kernels
    }

    /// The stored weights, from the kernel of each piece.
    func storedWeights(from kernels: [Tensor<Float>]) -> [Tensor<Float>] {
        var dense = Tensor<Float>(shape: convolution.denseWeightShape, repeating: 0)
        forEachWeight { dense.elements[$2] = kernels[$0].elements[$1] }
        return convolution.storedWeights(from: dense)
    }

    /// For each piece's kernel 1 where a weight of the support is and 0 elsewhere; nil where there is nothing to mask.
    var masks: [Tensor<Float>?] {
        guard !convolution.isDense else { return pieces.map { _ in nil } }
        var masks = pieces.indices.map { Tensor<Float>(shape: kernelShape(of: $0), repeating: 0) }
        forEachWeight { piece, index, _ in masks[piece].elements[index] = 1 }
        return masks.map { $0.elements.contains(0) ? $0 : nil }
    }

    /// A kernel of I x 1 x H x W that moves each channel to its tap; nil where channels are not moved.
    var displacement: Tensor<Float>? {
        movedTaps.map { taps in
            .displacement(to: (0..<convolution.inputChannels).map { taps[$0 % taps.count] }, in: convolution.kernel)
        }
    }

    private func kernelShape(of piece: Int) -> Shape {
        let piece = pieces[piece]
        return [
            piece.outputCount, convolution.inputChannels / piece.channelGroups, piece.kernel.height, piece.kernel.width,
        ]
    }

    /// Calls `body` once for every weight of the support, with the piece whose kernel has it, its row-major index there
    /// and that in the dense kernel. Where two pieces reach a weight, the first has it.
    private func forEachWeight(_ body: (_ piece: Int, _ index: Int, _ densePosition: Int) -> Void) {
        var isFree = Array(repeating: false, count: convolution.denseWeightShape.count)
        convolution.forEachWeight { isFree[$2] = true }
        for piece in pieces.indices {
            forEachElement(of: piece) { index, position in
                guard isFree[position] else { return }
                isFree[position] = false
                body(piece, index, position)
            }
        }
    }

    /// Calls `body` with the row-major index of every element of a piece's kernel and that in the dense kernel.
    private func forEachElement(of piece: Int, _ body: (_ index: Int, _ densePosition: Int) -> Void) {
        let piece = pieces[piece]
        let channels = convolution.inputChannels / piece.channelGroups
        let outputs = convolution.outputChannels / piece.channelGroups
        let taps = Tap.all(of: piece.kernel)
        var index = 0
        for group in piece.groups {
            for output in group.outputs {
                // Which of the channels that the dense kernel has for this output is the first of its block.
                let start = output / outputs * channels % convolution.channelsPerGroup
                for channel in start..<start + channels {
                    let origin = movedTaps?[channel] ?? group.origin
                    for tap in taps {
                        let place = Tap(row: origin.row + tap.row, column: origin.column + tap.column)
                        body(index, convolution.densePosition(output, channel, place))
                        index += 1
                    }
                }
            }
        }
    }
}

extension Tensor where Scalar == Float {
    /// C x 1 x H x W, the kernel of a depthwise convolution that gives what each channel has at its tap: a one there.
    static func displacement(to taps: [Tap], in kernel: Size) -> Tensor<Float> {
        var weights = Tensor<Float>(shape: [taps.count, 1, kernel.height, kernel.width], repeating: 0)
        for (channel, tap) in taps.enumerated() {
            weights.elements[(channel * kernel.height + tap.row) * kernel.width + tap.column] = 1
        }
        return weights
    }
}
