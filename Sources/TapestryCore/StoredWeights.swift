/// How a convolution's weights lie in a model: only those of the support are stored.
///
/// | support | tensors | element |
/// |---|---|---|
/// | dense | `weight`, O x I/groups x H x W | as in PyTorch |
/// | tap sets | `conv{g}.weight`, O/d x (|T_g| I/groups) x 1 x 1 for each of the d sets | (o, t * I/groups + c): tap t of the set, channel c (the published ASK layer) |
/// | block diagonal | `gwc.weight`, O x I/P x H x W, and for P > 1 `pwc.weight`, O x (I - I/P) x 1 x 1 | the diagonal blocks as in a convolution of P groups; the middle taps on the other blocks' channels in order (the published HetConv layer without the entries that it holds at zero) |
/// | channel taps | `weight`, O x I/groups x 1 x 1 | the channel's one tap |
/// | mask | `weight`, one axis | the kept positions in OIHW order |
extension Convolution {
    /// Name suffix and shape of each stored weight tensor, in state-dict order.
    public var storedWeights: [(suffix: String, shape: Shape)] {
        switch support {
        case .dense: [("weight", denseWeightShape)]
        case .tapSets(let sets):
            sets.enumerated().map { index, set in
                ("conv\(index).weight", [outputChannels / sets.count, set.count * channelsPerGroup, 1, 1])
            }
        case .blockDiagonal(let parts):
            [("gwc.weight", [outputChannels, inputChannels / parts, kernel.height, kernel.width])]
                + (parts > 1 ? [("pwc.weight", [outputChannels, inputChannels - inputChannels / parts, 1, 1])] : [])
        case .channelTaps(let taps): [("weight", [outputChannels, taps.count, 1, 1])]
        case .mask(let mask): [("weight", [mask.count])]
        }
    }

    /// Calls `body` once for every weight of the support with its place in the stored tensors (which, and where in it,
    /// row-major) and its row-major index in the dense kernel: the one definition of the layout above.
    public func forEachWeight(_ body: (_ tensor: Int, _ offset: Int, _ densePosition: Int) throws -> Void) rethrows {
        switch support {
        case .dense:
            for position in 0..<denseWeightShape.count { try body(0, position, position) }
        case .tapSets(let sets):
            let width = outputChannels / sets.count
            for (tensor, set) in sets.enumerated() {
                var offset = 0
                for output in tensor * width..<(tensor + 1) * width {
                    for tap in set.taps {
                        for channel in 0..<channelsPerGroup {
                            try body(tensor, offset, densePosition(output, channel, tap))
                            offset += 1
                        }
                    }
                }
            }
        case .blockDiagonal(let parts):
            let (inputs, outputs) = (inputChannels / parts, outputChannels / parts)
            var offsets = [0, 0]
            for output in 0..<outputChannels {
                let own = output / outputs * inputs..<(output / outputs + 1) * inputs
                for channel in 0..<inputChannels {
                    let isOwn = own.contains(channel)
                    for tap in isOwn ? Tap.all(of: kernel) : [middleTap] {
                        let tensor = isOwn ? 0 : 1
                        try body(tensor, offsets[tensor], densePosition(output, channel, tap))
                        offsets[tensor] += 1
                    }
                }
            }
        case .channelTaps(let taps):
            for output in 0..<outputChannels {
                for (channel, tap) in taps.enumerated() {
                    try body(0, output * taps.count + channel, densePosition(output, channel, tap))
                }
            }
        case .mask(let mask):
            var offset = 0
            for position in 0..<mask.size where mask.contains(position) {
                try body(0, offset, position)
                offset += 1
            }
        }
    }

    /// The stored weights spread over a dense OIHW kernel, zero off the support.
    ///
    /// Precondition: `stored` has the shapes of `storedWeights`.
    @inlinable
    public func denseWeights<Scalar: Numeric>(from stored: [Tensor<Scalar>]) -> Tensor<Scalar> {
        precondition(stored.map(\.shape) == storedWeights.map(\.shape))
        if isDense { return stored[0] }
        var dense = Tensor<Scalar>(shape: denseWeightShape, repeating: 0)
        forEachWeight { dense.elements[$2] = stored[$0].elements[$1] }
        return dense
    }

    /// The weights of the support gathered from a dense OIHW kernel; those off the support are dropped.
    @inlinable
    public func storedWeights<Scalar: Numeric>(from dense: Tensor<Scalar>) -> [Tensor<Scalar>] {
        precondition(dense.shape == denseWeightShape)
        if isDense { return [dense] }
        var stored = storedWeights.map { Tensor<Scalar>(shape: $0.shape, repeating: 0) }
        forEachWeight { stored[$0].elements[$1] = dense.elements[$2] }
        return stored
    }
}
