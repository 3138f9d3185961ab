import Foundation
import TapestryCore

/// Layers that are pruned together, in the order in which the published program does it.
public enum PrunedLayers: Hashable, Sendable {
    /// Linear layers; of ImageNet's MicroNet its last convolution too.
    case fullyConnected
    /// The two convolutions of each squeeze-excitation.
    case squeezeExcitation
    case depthwise
    /// Those whose names match a shell pattern.
    case named(String)
}

extension Graph {
    /// The layers that EC2T ternarizes in a network of its own, by name: of an EfficientNet the convolutions that expand
    /// and project and the head, of LeNet-5 all layers but the last, of the others the convolutions inside blocks (no
    /// stem, no shortcut). Of any other network every convolution but the first and but depthwise ones.
    public func ternarizableLayers(architecture: String?) -> [String] {
        let patterns: [String]
        switch architecture ?? "" {
        case let name where name.hasPrefix("ec2t/efficientnet"):
            patterns = ["*._expand_conv", "*._project_conv", "_conv_head"]
        case "ec2t/lenet5": patterns = ["conv1", "conv2", "fc1", "fc2"]
        case let name where name.hasPrefix("ec2t/"): patterns = ["*.conv*"]
        default:
            return nodes.filter { $0.isPlainConvolution }.dropFirst().map(\.name)
        }
        return layers(matching: patterns)
    }

    /// The layers with weights whose names match one of some shell patterns: `layer1.*`; `*` matches dots too.
    public func layers(matching patterns: [String]) -> [String] {
        weightedNodes.map(\.name).filter { name in patterns.contains { fnmatch($0, name, 0) == 0 } }
    }

    public func layers(pruned: PrunedLayers, architecture: String?) -> [String] {
        switch pruned {
        case .fullyConnected:
            let isMicroNet = architecture == "ec2t/micronet-imagenet"
            return nodes.filter { node in
                if case .linear = node.operation { return true }
                return isMicroNet && node.name == "conv2"
            }.map(\.name)
        case .squeezeExcitation:
            return squeezeExcitations
        case .depthwise: return nodes.filter(\.isDepthwise).map(\.name)
        case .named(let pattern): return layers(matching: [pattern])
        }
    }

    private var weightedNodes: [Node] {
        nodes.filter { node in
            switch node.operation {
            case .convolution, .linear: true
            default: false
            }
        }
    }

    /// The layers with weights between a mean over all positions and the factors that scale channels.
    private var squeezeExcitations: [String] {
        var found: Set<String> = []
        for node in nodes where node.operation == .scaleChannels {
            var name = node.inputs[1]
            while let current = self.node(named: name), current.operation != .globalAveragePool,
                current.operation.inputCount == 1
            {
                found.insert(current.name)
                name = current.inputs[0]
            }
        }
        return weightedNodes.map(\.name).filter(found.contains)
    }
}

extension Node {
    fileprivate var isDepthwise: Bool {
        guard case .convolution(let convolution) = operation else { return false }
        return convolution.groups > 1 && convolution.channelsPerGroup == 1
    }

    fileprivate var isPlainConvolution: Bool {
        guard case .convolution = operation else { return false }
        return !isDepthwise
    }
}
