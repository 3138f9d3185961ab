import ArgumentParser
import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

/// A network that options or a model file name.
package struct Network {
    /// For titles: "ask/vgg16 ask:ASK_5a", or the file.
    package let title: String
    package let graph: Graph
    /// How the network's paper counts, where that differs from the exact count.
    package let conventions: [CountingConvention]
    /// The model, where a file was named and no method has changed its graph.
    package let model: Model?
    /// Whether the graph is that of a model file, so that what is wrong with it is the file's fault.
    package let isFromFile: Bool

    package init(
        title: String, graph: Graph, conventions: [CountingConvention], model: Model?, isFromFile: Bool
    ) {
        self.title = title
        self.graph = graph
        self.conventions = conventions
        self.model = model
        self.isFromFile = isFromFile
    }
}

extension Network {
    /// The network of a model file. Throws: `InputNotFound`, `FormatError`.
    init(modelFile path: String) throws {
        let model = try NetworkArguments.selfDescribingModel(at: path)
        let architecture = model.facts["architecture"].flatMap { try? Zoo.architecture(named: $0) }
        self.init(
            title: path, graph: model.graph, conventions: architecture?.conventions ?? [],
            model: model, isFromFile: true)
    }
}

extension CommandFailure {
    package static let missingArchitecture = CommandFailure(
        .usage, "--arch is missing; it names the network, as ask/resnet20 (`tapestry archs` lists them)")

    fileprivate static func fixedNetwork(_ path: String) -> CommandFailure {
        CommandFailure(
            .usage, "\(path): a model file fixes its network; leave out the options that shape one, such as --classes")
    }
}

extension NetworkOptions {
    /// These options, with those of `implied` where they are silent.
    fileprivate func over(_ implied: NetworkOptions) -> NetworkOptions {
        var options = self
        options.classes = classes ?? implied.classes
        options.imageSize = imageSize ?? implied.imageSize
        options.channels = channels ?? implied.channels
        return options
    }

    /// The options that are not the network's default, as they are written: " --classes 100".
    fileprivate var description: String {
        let extents = [("classes", classes), ("image-size", imageSize), ("channels", channels)]
            .compactMap { name, value in value.map { " --\(name) \($0)" } }
        return extents.joined() + given.map { " --\($0.rawValue)" }.sorted().joined()
    }
}

extension Network {
    /// The network of a model read from `path`.
    package init(_ model: Model, path: String) {
        self.init(title: path, graph: model.graph, conventions: [], model: model, isFromFile: true)
    }
}

/// The options that name a network: what every command that takes one shares.
package struct NetworkArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The network: a name that `tapestry archs` lists, or a Tapestry model file.", valueName: "family/name|file"),
        completion: .list(Zoo.listed.map(\.name)))
    package var arch: String?

    @Option(
        help: ArgumentHelp(
            "Rewrite every eligible convolution by this method; several, separated by commas, combine.",
            discussion: Methods.kinds.map { $0.summary }.joined(separator: "\n"), valueName: "method"))
    package var method: String?

    @Option(
        help: ArgumentHelp(
            "A YAML file that gives a method per layer, the first rule that matches winning.",
            discussion: """
                A list of rules, as:
                - layers: "feature.?"
                  method: ask:ASK_5a
                - layers: "layer1.*"
                  ask: [[2, 4, 5, 6, 8], [1, 3, 5, 7, 9]]
                """,
            valueName: "file.yaml"),
        completion: .file(extensions: ["yaml", "yml"]))
    package var methodConfig: String?

    @Option(
        help: "How many classes; by default those of the data set, or the network's own.", transform: Positive.extent)
    package var classes: Int?

    @Option(
        help: "Height and width of the images; by default those of the data set, or the network's own.",
        transform: Positive.extent)
    package var imageSize: Int?

    @Option(
        help: "Channels of the images; by default those of the data set, or the network's own.",
        transform: Positive.extent)
    package var channels: Int?

    @OptionGroup package var variant: VariantArguments

    package init() {}

    package mutating func validate() throws {
        if method != nil, methodConfig != nil {
            throw ValidationError(
                "--method and --method-config both say which method each layer gets; give one of them")
        }
    }

    /// The network that the options name; `implied` (by a data set) holds where they are silent.
    ///
    /// Throws: `CommandFailure` that names the option that is wrong; what reading a named file throws.
    package func network(implied: NetworkOptions = NetworkOptions()) throws -> Network {
        guard let arch else { throw CommandFailure.missingArchitecture }
        let architecture: Architecture
        do {
            architecture = try Zoo.architecture(named: arch)
        } catch {
            // A name with a dot is that of a model file, which fixes what a data set would otherwise imply.
            guard arch.contains(".") || FileManager.default.fileExists(atPath: arch) else { throw error }
            return try network(ofModelFile: arch)
        }
        let options = try given.over(implied)
        let graph: Graph
        do {
            graph = try assignment()?.network(of: architecture, options) ?? architecture.graph(options)
        } catch let error as GraphError {
            throw CommandFailure(.usage, "\(arch)\(options.description): \(error)")
        } catch let error as MethodError {
            throw failure(error)
        }
        return Network(
            title: title(of: arch), graph: graph, conventions: architecture.conventions, model: nil, isFromFile: false)
    }

    /// The network of a model file, rewritten where the options say so.
    ///
    /// Throws: as `network(implied:)`.
    func network(ofModelFile path: String) throws -> Network {
        guard try given == NetworkOptions() else { throw CommandFailure.fixedNetwork(path) }
        let network = try Network(modelFile: path)
        guard let assignment = try assignment() else { return network }
        do {
            let graph = try assignment.apply(to: network.graph)
            // The file's weights are those of its own graph.
            let model = graph == network.graph ? network.model : nil
            return Network(
                title: title(of: path), graph: graph, conventions: network.conventions, model: model, isFromFile: true)
        } catch {
            throw failure(error)
        }
    }

    /// The methods of --method or --method-config; nil without either.
    package func assignment() throws -> MethodAssignment? {
        if let methodConfig { return try MethodConfiguration.read(methodConfig) }
        return method.map { MethodAssignment(method: $0) }
    }

    /// The options that shape a network.
    var given: NetworkOptions {
        get throws {
            var options = try variant.options()
            (options.classes, options.imageSize, options.channels) = (classes, imageSize, channels)
            return options
        }
    }

    /// The network's name and what shapes it, for titles. Precondition: --arch is given.
    var title: String { title(of: arch!) }

    private func title(of network: String) -> String {
        (methodConfig ?? method).map { "\(network) \($0)" } ?? network
    }

    private func failure(_ error: MethodError) -> CommandFailure {
        if let methodConfig { return CommandFailure(.badData, "\(methodConfig): \(error)") }
        return CommandFailure(.usage, "--method \(method ?? ""): \(error)")
    }
}
