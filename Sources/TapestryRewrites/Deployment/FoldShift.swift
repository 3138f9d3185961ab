import TapestryCore

extension DeployingNetwork {
    /// Makes a shift and the 1x1 convolution that alone takes its value one convolution that has, for each input channel,
    /// the tap that the shift would have moved to the centre: moving costs nothing, it is where the kernel reads.
    mutating func foldShifts() throws(GraphError) {
        try forEachNode { network, node in
            guard case .shift(let shift) = node.operation, let next = network.soleConsumer(of: node.name),
                case .convolution(var convolution) = next.operation, convolution.kernel == .square(1),
                convolution.padding == .none, convolution.groups == 1, convolution.isDense
            else { return }
            convolution.kernel = .square(shift.kernel)
            convolution.dilation = .square(shift.dilation)
            convolution.padding = .all(shift.dilation * (shift.kernel / 2))
            convolution.support = .channelTaps(shift.taps(channels: convolution.inputChannels))
            // The weights lie as they did, one for each pair of channels.
            var folded = next
            folded.operation = .convolution(convolution)
            network.replace(next.name, by: folded)
            network.remove(node.name, substituting: node.inputs[0])
        }
    }
}
