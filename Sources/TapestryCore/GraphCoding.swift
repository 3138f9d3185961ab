/// Graphs as JSON: `{"version": 1, "input": [3, 32, 32], "nodes": [{"name", "kind", "inputs", "attributes"}…],
/// "output": "fc"}`. A decoded graph has been verified. Unknown versions and kinds are refused.
extension Graph: Codable {
    static let codingVersion = 1

    private enum CodingKeys: String, CodingKey { case version, input, nodes, output }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let version = try container.decode(Int.self, forKey: .version)
        guard version == Self.codingVersion else {
            throw DecodingError.dataCorruptedError(
                forKey: .version, in: container,
                debugDescription: "graph version \(version); this Tapestry reads version \(Self.codingVersion)")
        }
        self.init(
            inputShape: try container.decode(Shape.self, forKey: .input),
            nodes: try container.decode([Node].self, forKey: .nodes),
            outputName: try container.decode(String.self, forKey: .output))
        try Verifier.verify(self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Self.codingVersion, forKey: .version)
        try container.encode(inputShape, forKey: .input)
        try container.encode(nodes, forKey: .nodes)
        try container.encode(outputName, forKey: .output)
    }
}

extension Node: Codable {
    private enum CodingKeys: String, CodingKey { case name, kind, inputs, attributes }
    private enum ChannelPaddingKeys: String, CodingKey { case before, after }
    private enum AffineKeys: String, CodingKey { case channels }
    private enum DropoutKeys: String, CodingKey { case probability }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func attributes<Attributes: Decodable>(_ type: Attributes.Type) throws -> Attributes {
            try container.decode(type, forKey: .attributes)
        }
        func probability() throws -> Double {
            try container.nestedContainer(keyedBy: DropoutKeys.self, forKey: .attributes)
                .decode(Double.self, forKey: .probability)
        }
        let kind = try container.decode(String.self, forKey: .kind)
        let operation: Operation
        switch kind {
        case "convolution": operation = .convolution(try attributes(Convolution.self))
        case "batchNorm": operation = .batchNorm(try attributes(BatchNorm.self))
        case "affine":
            let affine = try container.nestedContainer(keyedBy: AffineKeys.self, forKey: .attributes)
            operation = .affine(channels: try affine.decode(Int.self, forKey: .channels))
        case "linear": operation = .linear(try attributes(Linear.self))
        case "relu": operation = .relu
        case "sigmoid": operation = .sigmoid
        case "swish": operation = .swish
        case "maxPool": operation = .maxPool(try attributes(Pooling.self))
        case "averagePool": operation = .averagePool(try attributes(Pooling.self))
        case "globalAveragePool": operation = .globalAveragePool
        case "add": operation = .add
        case "scaleChannels": operation = .scaleChannels
        case "shift": operation = .shift(try attributes(Shift.self))
        case "padChannels":
            let padding = try container.nestedContainer(keyedBy: ChannelPaddingKeys.self, forKey: .attributes)
            operation = .padChannels(
                before: try padding.decode(Int.self, forKey: .before),
                after: try padding.decode(Int.self, forKey: .after))
        case "stopGradient": operation = .stopGradient
        case "dropout": operation = .dropout(probability: try probability())
        case "dropBranch": operation = .dropBranch(probability: try probability())
        case "flatten": operation = .flatten
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: container, debugDescription: "unknown operation \"\(kind)\"")
        }
        self.init(
            name: try container.decode(String.self, forKey: .name), operation: operation,
            inputs: try container.decode([String].self, forKey: .inputs))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encode(operation.kind, forKey: .kind)
        try container.encode(inputs, forKey: .inputs)
        switch operation {
        case .convolution(let convolution): try container.encode(convolution, forKey: .attributes)
        case .batchNorm(let norm): try container.encode(norm, forKey: .attributes)
        case .affine(let channels):
            var affine = container.nestedContainer(keyedBy: AffineKeys.self, forKey: .attributes)
            try affine.encode(channels, forKey: .channels)
        case .linear(let linear): try container.encode(linear, forKey: .attributes)
        case .maxPool(let pooling), .averagePool(let pooling): try container.encode(pooling, forKey: .attributes)
        case .padChannels(let before, let after):
            var padding = container.nestedContainer(keyedBy: ChannelPaddingKeys.self, forKey: .attributes)
            try padding.encode(before, forKey: .before)
            try padding.encode(after, forKey: .after)
        case .shift(let shift): try container.encode(shift, forKey: .attributes)
        case .dropout(let probability), .dropBranch(let probability):
            var attributes = container.nestedContainer(keyedBy: DropoutKeys.self, forKey: .attributes)
            try attributes.encode(probability, forKey: .probability)
        case .relu, .sigmoid, .swish, .globalAveragePool, .add, .scaleChannels, .stopGradient, .flatten: break
        }
    }
}

/// A support as JSON: `"dense"`, `{"tapSets": [[[row, column]…]…]}`, `{"blockDiagonal": parts}`,
/// `{"channelTaps": [[row, column]…]}` or `{"mask": {"size", "bits"}}`.
extension Support: Codable {
    private enum CodingKeys: String, CodingKey { case tapSets, blockDiagonal, channelTaps, mask }
    private enum MaskKeys: String, CodingKey { case size, bits }

    public init(from decoder: any Decoder) throws {
        if let name = try? decoder.singleValueContainer().decode(String.self) {
            guard name == "dense" else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "unknown support \"\(name)\""))
            }
            self = .dense
            return
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        if container.contains(.tapSets) {
            self = .tapSets(try container.decode([TapSet].self, forKey: .tapSets))
            return
        }
        if container.contains(.blockDiagonal) {
            self = .blockDiagonal(parts: try container.decode(Int.self, forKey: .blockDiagonal))
            return
        }
        if container.contains(.channelTaps) {
            self = .channelTaps(try container.decode([Tap].self, forKey: .channelTaps))
            return
        }
        let mask = try container.nestedContainer(keyedBy: MaskKeys.self, forKey: .mask)
        let size = try mask.decode(Int.self, forKey: .size)
        guard let bits = WeightMask(size: size, hexadecimal: try mask.decode(String.self, forKey: .bits)) else {
            throw DecodingError.dataCorruptedError(
                forKey: .bits, in: mask, debugDescription: "the bits are not those of \(size) positions")
        }
        self = .mask(bits)
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .dense:
            var container = encoder.singleValueContainer()
            try container.encode("dense")
        case .tapSets(let sets):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(sets, forKey: .tapSets)
        case .blockDiagonal(let parts):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(parts, forKey: .blockDiagonal)
        case .channelTaps(let taps):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(taps, forKey: .channelTaps)
        case .mask(let mask):
            var container = encoder.container(keyedBy: CodingKeys.self)
            var bits = container.nestedContainer(keyedBy: MaskKeys.self, forKey: .mask)
            try bits.encode(mask.size, forKey: .size)
            try bits.encode(mask.hexadecimal, forKey: .bits)
        }
    }
}

/// A tap as JSON: `[row, column]`.
extension Tap: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let pair = try container.decode([Int].self)
        guard pair.count == 2, pair[0] >= 0, pair[1] >= 0 else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "a tap is a [row, column] pair")
        }
        self.init(row: pair[0], column: pair[1])
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode([row, column])
    }
}

/// A tap set as JSON: its taps.
extension TapSet: Codable {
    public init(from decoder: any Decoder) throws {
        try self.init(try decoder.singleValueContainer().decode([Tap].self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(taps)
    }
}

/// An initialization as JSON: `{"kind": "normal", "value": 0.01}`, `value` only where there is one.
extension Initialization: Codable {
    private enum CodingKeys: String, CodingKey { case kind, value }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        switch try container.decode(String.self, forKey: .kind) {
        case "constant": self = .constant(try container.decode(Double.self, forKey: .value))
        case "normal": self = .normal(standardDeviation: try container.decode(Double.self, forKey: .value))
        case "fanOutNormal": self = .fanOutNormal
        case "fanInNormal": self = .fanInNormal
        case "fanInUniform": self = .fanInUniform
        case "unitUniform": self = .unitUniform
        case let kind:
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: container, debugDescription: "unknown initialization \"\(kind)\"")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .constant(let value):
            try container.encode("constant", forKey: .kind)
            try container.encode(value, forKey: .value)
        case .normal(let standardDeviation):
            try container.encode("normal", forKey: .kind)
            try container.encode(standardDeviation, forKey: .value)
        case .fanOutNormal: try container.encode("fanOutNormal", forKey: .kind)
        case .fanInNormal: try container.encode("fanInNormal", forKey: .kind)
        case .fanInUniform: try container.encode("fanInUniform", forKey: .kind)
        case .unitUniform: try container.encode("unitUniform", forKey: .kind)
        }
    }
}
