import TapestryCore

/// Two 1x1 convolutions in the place of one, to some channels and back, with an operation between them.
struct Bottleneck {
    let expand: Convolution
    /// Has the layer's bias.
    let project: Convolution
    fileprivate let node: Node

    /// The three nodes, named within the layer.
    func nodes(names: (expand: String, middle: String, project: String), middle: Operation) -> [Node] {
        func name(_ part: String) -> String { "\(node.name).\(part)" }
        return [
            Node(name: name(names.expand), operation: .convolution(expand), inputs: node.inputs),
            Node(name: name(names.middle), operation: middle, inputs: [name(names.expand)]),
            Node(name: name(names.project), operation: .convolution(project), inputs: [name(names.middle)]),
        ]
    }
}

extension ConvolutionSite {
    /// `channels` in the middle; `stride` is that of the second 1x1 convolution.
    func bottleneck(channels: Int, stride: Size) -> Bottleneck {
        func pointwise(from inputs: Int, to outputs: Int, stride: Size, hasBias: Bool) -> Convolution {
            Convolution(
                inputChannels: inputs, outputChannels: outputs, kernel: .square(1), stride: stride, hasBias: hasBias,
                weightInitialization: convolution.weightInitialization,
                biasInitialization: convolution.biasInitialization)
        }
        return Bottleneck(
            expand: pointwise(
                from: convolution.inputChannels, to: channels, stride: .square(1), hasBias: false),
            project: pointwise(
                from: channels, to: convolution.outputChannels, stride: stride, hasBias: convolution.hasBias),
            node: node)
    }

    /// Throws where the method called `method` would drop the convolution's groups or support.
    func requireDenseWithoutGroups(for method: String) throws(MethodError) {
        guard convolution.isDense, convolution.groups == 1 else {
            throw MethodError("has groups or a support of its own; \(method) needs a dense convolution")
        }
    }
}

/// The real number that a method multiplies or divides channels by.
enum PositiveFactor {
    /// Throws `MethodError` unless `argument` is a number from 1/1024 to 1024.
    static func parse(
        _ argument: String?, of method: String, meaning: String, example: String
    ) throws(MethodError) -> Double {
        guard let argument, let factor = Double(argument), (1.0 / 1024...1024).contains(factor) else {
            throw MethodError("\(method) needs its \(meaning), a number from 1/1024 to 1024, as in \(example)")
        }
        return factor
    }

    /// `channels` without its fraction. Throws where none is left.
    static func channels(_ channels: Double) throws(MethodError) -> Int {
        guard channels >= 1 else { throw MethodError("leaves less than one channel, \(channels), within the layer") }
        return Int(channels)
    }
}
