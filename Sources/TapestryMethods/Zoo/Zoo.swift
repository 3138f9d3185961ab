import TapestryCore
import TapestryRewrites

/// What a network is built for; nil means the network's own default.
public struct NetworkOptions: Hashable, Sendable {
    public var classes: Int?
    /// Height and width of the images.
    public var imageSize: Int?
    /// Channels of the images.
    public var channels: Int?

    public init(classes: Int? = nil, imageSize: Int? = nil, channels: Int? = nil) {
        self.classes = classes
        self.imageSize = imageSize
        self.channels = channels
    }

    func inputShape(defaultSize: Int) -> Shape {
        let size = imageSize ?? defaultSize
        return [channels ?? 3, size, size]
    }
}

/// A published network, in the variant of one system.
public struct Architecture: Sendable {
    /// Family and network: "ask/resnet20".
    public let name: String
    public let summary: String
    /// How the family's paper counts, where that differs from the exact count.
    public let convention: CountingConvention?
    private let builder: @Sendable (NetworkOptions) throws(GraphError) -> Graph

    init(
        name: String, summary: String, convention: CountingConvention?,
        builder: @escaping @Sendable (NetworkOptions) throws(GraphError) -> Graph
    ) {
        self.name = name
        self.summary = summary
        self.convention = convention
        self.builder = builder
    }

    /// The dense network. Throws `GraphError` naming the node that the options do not fit.
    public func graph(_ options: NetworkOptions = NetworkOptions()) throws(GraphError) -> Graph {
        for (option, value) in [
            ("--classes", options.classes), ("--image-size", options.imageSize), ("--channels", options.channels),
        ] {
            guard (1...65_536).contains(value ?? 1) else {
                throw GraphError(node: Graph.inputName, reason: "\(option) \(value ?? 0) is not within 1...65536")
            }
        }
        return try builder(options)
    }
}

/// A group of networks of one system.
protocol NetworkFamily: Sendable {
    /// The network of this family called `name`, nil where it has none.
    static func architecture(named name: String) -> Architecture?
    /// Those that `tapestry archs` lists.
    static var listedNames: [String] { get }
}

/// Every network by name.
public enum Zoo {
    private static let families: [any NetworkFamily.Type] = [
        ASKNetworks.self
    ]

    /// The architectures that have a published name, in families.
    public static let listed: [Architecture] = families.flatMap { family in
        family.listedNames.compactMap { family.architecture(named: $0) }
    }

    /// Throws `UnknownArchitecture` where no family has a network of this name.
    public static func architecture(named name: String) throws(UnknownArchitecture) -> Architecture {
        for family in families {
            if let architecture = family.architecture(named: name) { return architecture }
        }
        throw UnknownArchitecture(name: name)
    }
}

public struct UnknownArchitecture: Error, CustomStringConvertible {
    public let name: String

    public var description: String {
        "no network is called \"\(name)\"; known are \(Zoo.listed.map(\.name).joined(separator: " ")) (`tapestry archs`)"
    }
}
