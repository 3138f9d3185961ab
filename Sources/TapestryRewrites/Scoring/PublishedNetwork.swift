import TapestryCore

/// The three settings of the published program that say how it counts the layers that it takes to be ternary.
public struct ScoringSwitches: OptionSet, Hashable, Sendable {
    public let rawValue: Int

    public init(rawValue: Int) { self.rawValue = rawValue }

    /// Two multiplications a value, and two masks for the weights if they are smaller.
    public static let ternary = ScoringSwitches(rawValue: 1)
    /// Additions by a tree adder.
    public static let tree = ScoringSwitches(rawValue: 2)
    /// With `ternary`: also a mask and signs, CSR and CER.
    public static let cer = ScoringSwitches(rawValue: 4)
}

/// A list of convolutions that the published program counts with one call.
struct PublishedGroup {
    enum Activation {
        case relu
        case swish
        case sigmoid
    }

    /// What a list has that others have not.
    enum Peculiarity {
        /// Residual blocks of two convolutions.
        case residualBlocks
        /// MicroNet's.
        case microBlocks
        case depthwise
        case squeeze
        case excite
        /// The convolution before the global average.
        case head
    }

    struct Member {
        let node: Node
        let convolution: Convolution
        /// Height and width of what it puts out, as the program has it.
        let side: Int
    }

    let name: String
    let members: [Member]
    let activation: Activation?
    let peculiarity: Peculiarity?
    /// Whether the three switches are for it.
    let isQuantized: Bool
    /// Whether an input channel is dead if the list's convolution before puts it out and is dead there; otherwise, if the
    /// convolution's own weights for it come to zero.
    let takesDeadInputsFromBefore: Bool
}

/// The networks that the published program of EC2T knows, by the names of their nodes: which convolutions are in which list,
/// and at what size. All of it is that program's doing; it looks at the names of a state dict and at tables of its own, not
/// at the network. Source: the recorded counts and formulas that `Tests/Fixtures/scoring.json` is cut from.
struct PublishedNetwork {
    let groups: [PublishedGroup]
    /// The last linear layer.
    let linear: Node
    /// Additions of shortcuts that no list has.
    let shortcutAdditions: Double

    static let known =
        ["resnet20", "resnet18", "micronet", "micronet-imagenet"].map { "ec2t/\($0)" }
        + (1...4).map { "ec2t/efficientnet-b\($0)" }

    /// Throws `ScoringError` for another network than those, and for one of another make than published.
    init(_ graph: Graph, architecture: String) throws(ScoringError) {
        guard let linear = graph.nodes.last(where: { $0.operation.kind == "linear" }) else {
            throw ScoringError("the published convention needs a network that ends in a linear layer")
        }
        self.linear = linear
        let reader = Reader(graph: graph)
        switch architecture {
        case "ec2t/resnet20":
            (groups, shortcutAdditions) = (try reader.blocks(stemFrom: 32, from: 32, .residualBlocks), 0)
        case "ec2t/micronet", "ec2t/micronet-imagenet":
            // At 32x32 whatever the images are; the 1x1 convolution before the ImageNet one's average is in no list.
            (groups, shortcutAdditions) = (try reader.blocks(stemFrom: 32, from: 32, .microBlocks), 0)
        case "ec2t/resnet18":
            (groups, shortcutAdditions) = (try reader.blocks(stemFrom: 224, from: 56, .residualBlocks), 0)
        case _ where Self.known.contains(architecture):
            // B1 and B2 start their stem where it ends, at half the image; B3 and B4 count it at the whole image.
            let isStemWhole = architecture.hasSuffix("b3") || architecture.hasSuffix("b4")
            groups = try reader.efficientNet(isStemWhole: isStemWhole)
            shortcutAdditions = reader.efficientNetShortcuts
        default:
            throw ScoringError(
                "the published convention does not know \(architecture), only \(Self.known.joined(separator: " "))")
        }
    }
}

/// Finds a graph's convolutions by name.
private struct Reader {
    let graph: Graph

    private func node(_ name: String) throws(ScoringError) -> Node {
        guard let node = graph.node(named: name) else {
            throw ScoringError("the published convention expects a convolution \"\(name)\", which the network lacks")
        }
        return node
    }

    private func convolution(_ node: Node) throws(ScoringError) -> Convolution {
        guard case .convolution(let convolution) = node.operation, convolution.isDense,
            convolution.kernel.height == convolution.kernel.width
        else {
            throw ScoringError(
                "the published convention knows square kernels with a weight at every position only, unlike "
                    + "\"\(node.name)\"; --convention exact counts any")
        }
        return convolution
    }

    /// The sizes that the program goes through: it starts with `side` and halves it, to fractions even, before each
    /// convolution that `halves` says.
    private func members(
        _ nodes: [Node], from side: Double, halves: (Node, Convolution) -> Bool
    ) throws(ScoringError) -> [PublishedGroup.Member] {
        var (side, members) = (side, [PublishedGroup.Member]())
        for node in nodes {
            let convolution = try convolution(node)
            if halves(node, convolution) { side /= 2 }
            // For odd kernels, with the padding of half of one, this is the side; the program takes it for all.
            let kernel = convolution.kernel.height
            let output = side.rounded(.up) + Double(2 * (kernel / 2) - kernel + 1)
            members.append(PublishedGroup.Member(node: node, convolution: convolution, side: Int(output)))
        }
        return members
    }
}

// MARK: - MicroNet and residual networks

extension Reader {
    /// The stem, and the convolutions inside blocks: those with ".conv" in their names, so none of the shortcuts.
    func blocks(
        stemFrom stemSide: Double, from side: Double, _ peculiarity: PublishedGroup.Peculiarity
    ) throws(ScoringError) -> [PublishedGroup] {
        let inBlocks = graph.nodes.filter { $0.name.contains(".conv") && $0.operation.kind == "convolution" }
        func isStrided(_: Node, _ convolution: Convolution) -> Bool { convolution.stride.height > 1 }
        return [
            PublishedGroup(
                name: "stem", members: try members([node("conv1")], from: stemSide, halves: isStrided),
                activation: .relu, peculiarity: nil, isQuantized: false, takesDeadInputsFromBefore: true),
            PublishedGroup(
                name: "blocks", members: try members(inBlocks, from: side, halves: isStrided), activation: .relu,
                peculiarity: peculiarity, isQuantized: true, takesDeadInputsFromBefore: true),
        ]
    }
}

// MARK: - EfficientNet

extension Reader {
    private var imageSide: Double { Double(graph.inputShape[1]) }

    /// Whether a block's depthwise convolution has a stride; the program has a table of these blocks.
    private func isStrided(block: String) -> Bool {
        guard case .convolution(let convolution) = graph.node(named: "\(block)._depthwise_conv")?.operation else {
            return false
        }
        return convolution.stride.height > 1
    }

    /// "_blocks.2" of "_blocks.2._expand_conv".
    private func block(of node: Node) -> String {
        node.name.split(separator: ".").dropLast().joined(separator: ".")
    }

    func efficientNet(isStemWhole: Bool) throws(ScoringError) -> [PublishedGroup] {
        func group(
            _ suffix: String, _ name: String, _ activation: PublishedGroup.Activation?,
            _ peculiarity: PublishedGroup.Peculiarity? = nil, isQuantized: Bool = false
        ) throws(ScoringError) -> PublishedGroup {
            let nodes = graph.nodes.filter { $0.name.hasSuffix(".\(suffix)") && $0.operation.kind == "convolution" }
            // Every list starts at half the image and halves at each block with a stride. So the expanding convolutions
            // of such a block, which come before its stride, are counted at a quarter of their positions.
            let members = try members(nodes, from: imageSide / 2) { node, _ in isStrided(block: block(of: node)) }
            return PublishedGroup(
                name: name, members: members, activation: activation, peculiarity: peculiarity,
                isQuantized: isQuantized,
                takesDeadInputsFromBefore: false)
        }
        return [
            PublishedGroup(
                name: "stem",
                members: try members([node("_conv_stem")], from: isStemWhole ? imageSide : imageSide / 2) { _, _ in
                    false
                },
                activation: .swish, peculiarity: nil, isQuantized: false, takesDeadInputsFromBefore: false),
            try group("_expand_conv", "expand", .swish, isQuantized: true),
            try group("_depthwise_conv", "depthwise", .swish, .depthwise),
            try group("_se_reduce", "squeeze", .swish, .squeeze),
            try group("_se_expand", "excite", .sigmoid, .excite),
            try group("_project_conv", "project", nil, isQuantized: true),
            PublishedGroup(
                name: "head", members: try members([node("_conv_head")], from: imageSide / 32) { _, _ in false },
                activation: .swish, peculiarity: .head, isQuantized: true, takesDeadInputsFromBefore: false),
        ]
    }

    /// The program scales the side of the image, once too often, by its share of the image: (S * S / image)^2 values a
    /// channel instead of S^2.
    var efficientNetShortcuts: Double {
        var (side, additions) = (imageSide / 2, 0.0)
        for node in graph.nodes {
            if node.name.hasSuffix("._depthwise_conv"), isStrided(block: block(of: node)) { side /= 2 }
            guard node.operation == .add, case .convolution(let project)? = projection(before: node)?.operation else {
                continue
            }
            let scaled = side * side / imageSide
            additions += scaled * scaled * Double(project.outputChannels)
        }
        return additions
    }

    private func projection(before sum: Node) -> Node? {
        graph.node(named: "\(block(of: sum))._project_conv")
    }
}
