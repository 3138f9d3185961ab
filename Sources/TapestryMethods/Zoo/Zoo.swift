import TapestryCore
import TapestryRewrites

/// A published network, in the variant of one system.
public struct Architecture: Sendable {
    /// The form of a network's block: the method that the block's name gets, nil for the plain one.
    public typealias BlockForm = (_ block: String) throws(MethodError) -> (any Method)?

    /// Family and network: "ask/resnet20".
    public let name: String
    public let summary: String
    /// How the family's paper counts, where that differs from the exact count.
    public let conventions: [CountingConvention]
    /// The names of the methods for which the paper has a form of whole blocks.
    let blockMethods: [String]
    /// The options beside classes and images' extents that the network takes.
    public let options: Set<NetworkOption>
    private let builder: @Sendable (NetworkOptions, BlockForm) throws -> Graph

    init(
        name: String, summary: String, conventions: [CountingConvention] = [], options: Set<NetworkOption> = [],
        blockMethods: [String] = [], builder: @escaping @Sendable (NetworkOptions, BlockForm) throws -> Graph
    ) {
        self.name = name
        self.summary = summary
        self.conventions = conventions
        self.options = options
        self.blockMethods = blockMethods
        self.builder = builder
    }

    /// A network whose blocks have one form.
    init(
        name: String, summary: String, conventions: [CountingConvention] = [], options: Set<NetworkOption> = [],
        builder: @escaping @Sendable (NetworkOptions) throws(GraphError) -> Graph
    ) {
        self.init(name: name, summary: summary, conventions: conventions, options: options) { options, _ in
            try builder(options)
        }
    }

    /// The dense network. Throws `GraphError` naming the node that the options do not fit, or an option that the network
    /// does not take.
    public func graph(_ options: NetworkOptions = NetworkOptions()) throws -> Graph {
        try graph(options) { _ in nil }
    }

    /// The network with its blocks in the forms that `form` says. Throws what `form` throws, too.
    func graph(_ options: NetworkOptions, form: BlockForm) throws -> Graph {
        try options.check(for: self)
        return try builder(options, form)
    }
}

/// A group of networks of one system.
protocol NetworkFamily: Sendable {
    /// The network of this family called `name`, nil where it has none.
    static func architecture(named name: String) -> Architecture?
    /// Those that `tapestry archs` lists.
    static var listedNames: [String] { get }
}

extension NetworkFamily {
    /// The depth that follows `prefix` in a name.
    static func depth(in name: String, after prefix: String) -> Int? {
        guard name.hasPrefix(prefix) else { return nil }
        let digits = name.dropFirst(prefix.count)
        // "ask/resnet020" is not a second name of "ask/resnet20".
        guard digits.first != "0", digits.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(digits)
    }

    /// The depth of a residual network for small images: 6n + 2, n blocks of two convolutions in each of three stages.
    static func residualDepth(in name: String, after prefix: String) -> Int? {
        guard let depth = depth(in: name, after: prefix), (8...6002).contains(depth), depth % 6 == 2 else { return nil }
        return depth
    }
}

/// Every network by name.
public enum Zoo {
    private static let families: [any NetworkFamily.Type] = [
        ASKNetworks.self,
        HetConvNetworks.self,
        ACNetNetworks.self,
        ShiftNetworks.self,
        EC2TNetworks.self,
        EfficientNets.self,
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
