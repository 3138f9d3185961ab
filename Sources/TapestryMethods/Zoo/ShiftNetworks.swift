import TapestryCore
import TapestryRewrites

/// The networks of "Shift: a zero FLOP, zero parameter alternative to spatial convolutions" (Wu et al., CVPR 2018): ResNet
/// for small images, whose blocks are plain, or shift or depthwise ones where they get the methods of those names.
///
/// As published, the ReLU of a shift block comes before its sum with the shortcut and none after; none follows the spatial
/// convolution of a depthwise block; and batch norms' weights start uniform from 0 to 1, as in the PyTorch that the
/// program names. Corrected, the ReLU of a shift block follows the sum, as in the plain block, one follows the
/// depthwise convolution, and weights start at 1.
enum ShiftNetworks: NetworkFamily {
    static let listedNames = ["shift/resnet20", "shift/resnet56", "shift/resnet110"]

    static func architecture(named name: String) -> Architecture? {
        guard let depth = residualDepth(in: name, after: "shift/resnet") else { return nil }
        return Architecture(
            name: name,
            summary: "ResNet-\(depth), 16/32/64 wide; plain, shift or depthwise blocks",
            conventions: [.shift, .shiftCurrent], options: [.reduction, .reductionMode, .corrected],
            blockMethods: [ShiftMethod.name, DepthwiseMethod.name]
        ) { options, form in
            let builder = ShiftNetworkBuilder(isCorrected: options.isCorrected)
            let widths = try widths(options)
            let blocks = try blocks(count: (depth - 2) / 6, widths: widths, options, form)
            return try Graph.build(input: options.inputShape(defaultSize: 32)) { image in
                var x = builder.norm(image.convolution("conv1", to: widths[0], kernel: 3, padding: 1), "bn1").relu(
                    "relu")
                for block in blocks { x = builder.block(block, of: x) }
                return x.globalAveragePool().linear("linear", to: options.classes ?? 10)
            }
        }
    }

    private static func blocks(
        count: Int, widths: [Int], _ options: NetworkOptions, _ form: Architecture.BlockForm
    ) throws -> [ShiftNetworkBuilder.Block] {
        var blocks: [ShiftNetworkBuilder.Block] = []
        for (stage, width) in widths.enumerated() {
            for index in 0..<count {
                let name = "layer\(stage + 1).\(index)"
                blocks.append(
                    .init(
                        name: name, width: width, stride: stage > 0 && index == 0 ? 2 : 1,
                        kind: try kind(name, width: width, form: form(name), options)))
            }
        }
        return blocks
    }

    private static func kind(
        _ block: String, width: Int, form: (any Method)?, _ options: NetworkOptions
    ) throws -> ShiftNetworkBuilder.Block.Kind {
        guard let form else {
            guard let reduction = options.reduction, options.reductionMode == .block else {
                return .plain(inner: width)
            }
            return .plain(inner: try reduced(1 / reduction * Double(width), reduction))
        }
        do {
            if let shift = form as? ShiftMethod {
                try requireNoReduction(options, "shift blocks take no --reduction; shift:E says how wide they are")
                return .shift(middle: try shift.middleChannels(outputs: width))
            }
            guard let depthwise = form as? DepthwiseMethod else { preconditionFailure("no form of these blocks") }
            try requireNoReduction(
                options, "depthwise blocks take no --reduction; depthwise:R divides the channels within them")
            return .depthwise(middle: try depthwise.middleChannels(outputs: width))
        } catch { throw MethodError("block \"\(block)\": \(error)") }
    }

    private static func requireNoReduction(_ options: NetworkOptions, _ reason: String) throws(MethodError) {
        guard (options.reduction ?? 1) == 1 else { throw MethodError(reason) }
    }

    /// Of the three stages.
    private static func widths(_ options: NetworkOptions) throws(GraphError) -> [Int] {
        let widths = [16, 32, 64]
        guard let reduction = options.reduction, options.reductionMode ?? .net == .net else { return widths }
        return try widths.map { width throws(GraphError) in
            try reduced(Double(width) / reduction.squareRoot(), reduction)
        }
    }

    /// The whole part of a width.
    private static func reduced(_ width: Double, _ reduction: Double) throws(GraphError) -> Int {
        guard width >= 1 else {
            throw GraphError(node: Graph.inputName, reason: "--reduction \(reduction) leaves a layer no channels")
        }
        return Int(width)
    }
}

/// Builds the blocks of ShiftNet's networks.
private struct ShiftNetworkBuilder {
    typealias Value = GraphBuilder.Value

    struct Block {
        enum Kind {
            case plain(inner: Int)
            case shift(middle: Int)
            case depthwise(middle: Int)
        }

        let name: String
        let width: Int
        let stride: Int
        let kind: Kind
    }

    let isCorrected: Bool

    func norm(_ x: Value, _ name: String) -> Value {
        x.batchNorm(name, weight: isCorrected ? .constant(1) : .unitUniform)
    }

    func block(_ block: Block, of x: Value) -> Value {
        let name = block.name
        switch block.kind {
        case .plain(let inner):
            let hidden = norm(
                x.convolution("\(name).conv1", to: inner, kernel: 3, stride: block.stride, padding: 1), "\(name).bn1"
            ).relu("\(name).relu1")
            let branch = norm(
                hidden.convolution("\(name).conv2", to: block.width, kernel: 3, padding: 1), "\(name).bn2")
            return branch.adding(shortcut(block, of: x), named: "\(name).add").relu("\(name).relu2")
        case .shift(let middle):
            let hidden = norm(x.convolution("\(name).conv1", to: middle, kernel: 1), "\(name).bn1")
                .relu("\(name).relu1").shift("\(name).shift")
            let branch = norm(
                hidden.convolution("\(name).conv2", to: block.width, kernel: 1, stride: block.stride), "\(name).bn2")
            if isCorrected {
                return branch.adding(shortcut(block, of: x), named: "\(name).add").relu("\(name).relu2")
            }
            return branch.relu("\(name).relu2").adding(shortcut(block, of: x), named: "\(name).add")
        case .depthwise(let middle):
            var hidden = norm(x.convolution("\(name).conv1", to: middle, kernel: 1), "\(name).bn1")
                .relu("\(name).relu1")
            hidden = norm(
                hidden.convolution("\(name).depth", to: middle, kernel: 3, padding: 1, groups: middle), "\(name).bn2")
            if isCorrected { hidden = hidden.relu("\(name).relu2") }
            let branch = norm(
                hidden.convolution("\(name).conv3", to: block.width, kernel: 1, stride: block.stride), "\(name).bn3")
            return branch.adding(shortcut(block, of: x), named: "\(name).add").relu("\(name).relu3")
        }
    }

    /// The identity where extents are kept. In the order of the state dict it follows the branch.
    private func shortcut(_ block: Block, of x: Value) -> Value {
        guard block.stride > 1 || x.channels != block.width else { return x }
        return norm(
            x.convolution("\(block.name).shortcut.0", to: block.width, kernel: 1, stride: block.stride),
            "\(block.name).shortcut.1")
    }
}
