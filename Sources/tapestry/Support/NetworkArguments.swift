import ArgumentParser
import Foundation
import TapestryCore
import TapestryFormats
import TapestryMethods
import TapestryRewrites

/// A network that options or a model file name.
struct Network {
    /// For titles: "ask/vgg16 ask:ASK_5a", or the file.
    let title: String
    let graph: Graph
    /// How the network's paper counts, where that differs from the exact count.
    let convention: CountingConvention?
    /// The model, where a file was named and no method has changed its graph.
    let model: Model?
    /// Whether the graph is that of a model file, so that what is wrong with it is the file's fault.
    let isFromFile: Bool
}

extension Network {
    /// The network of a model file. Throws: `InputNotFound`, `FormatError`.
    init(modelFile path: String) throws {
        let model = try ModelFile.read(path)
        let architecture = model.facts["architecture"].flatMap { try? Zoo.architecture(named: $0) }
        self.init(
            title: path, graph: model.graph, convention: architecture?.convention, model: model,
            isFromFile: true)
    }

    /// A network by the value of `--arch`: a published name or a model file, told apart by the latter's dot or existence.
    ///
    /// Throws: `CommandFailure` where the options do not fit the network; what reading the file throws.
    init(architecture name: String, options: NetworkOptions = NetworkOptions()) throws {
        let architecture: Architecture
        do {
            architecture = try Zoo.architecture(named: name)
        } catch {
            guard name.contains(".") || FileManager.default.fileExists(atPath: name) else { throw error }
            guard options == NetworkOptions() else { throw CommandFailure.fixedNetwork(name) }
            try self.init(modelFile: name)
            return
        }
        do {
            let graph = try architecture.graph(options)
            self.init(title: name, graph: graph, convention: architecture.convention, model: nil, isFromFile: false)
        } catch {
            throw CommandFailure(.usage, "\(name)\(options.description): \(error)")
        }
    }
}

extension CommandFailure {
    static let missingArchitecture = CommandFailure(
        .usage, "--arch is missing; it names the network, as ask/resnet20 (`tapestry archs` lists them)")

    fileprivate static func fixedNetwork(_ path: String) -> CommandFailure {
        CommandFailure(
            .usage, "\(path): a model file fixes its network; leave out --classes, --image-size and --channels")
    }
}

extension NetworkOptions {
    /// These options, with those of `implied` where they are silent.
    fileprivate func over(_ implied: NetworkOptions) -> NetworkOptions {
        NetworkOptions(
            classes: classes ?? implied.classes, imageSize: imageSize ?? implied.imageSize,
            channels: channels ?? implied.channels)
    }

    /// The options that are not the network's default, as they are written: " --classes 100".
    fileprivate var description: String {
        [("classes", classes), ("image-size", imageSize), ("channels", channels)].map { name, value in
            value.map { " --\(name) \($0)" } ?? ""
        }.joined()
    }
}

/// The options that name a network: what every command that takes one shares.
struct NetworkArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The network: a name that `tapestry archs` lists, or a Tapestry model file.", valueName: "family/name|file"),
        completion: .list(Zoo.listed.map(\.name)))
    var arch: String?

    @Option(
        help: ArgumentHelp(
            "Rewrite every eligible convolution by this method; several, separated by commas, combine.",
            discussion: Methods.kinds.map { $0.summary }.joined(separator: "\n"), valueName: "method"))
    var method: String?

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
    var methodConfig: String?

    @Option(
        help: "How many classes; by default those of the data set, or the network's own.", transform: Positive.extent)
    var classes: Int?

    @Option(
        help: "Height and width of the images; by default those of the data set, or the network's own.",
        transform: Positive.extent)
    var imageSize: Int?

    @Option(
        help: "Channels of the images; by default those of the data set, or the network's own.",
        transform: Positive.extent)
    var channels: Int?

    mutating func validate() throws {
        if method != nil, methodConfig != nil {
            throw ValidationError(
                "--method and --method-config both say which method each layer gets; give one of them")
        }
    }

    /// The network that the options name; `implied` (by a data set) holds where they are silent.
    ///
    /// Throws: `CommandFailure` that names the option that is wrong; what reading a named file throws.
    func network(implied: NetworkOptions = NetworkOptions()) throws -> Network {
        guard let arch else { throw CommandFailure.missingArchitecture }
        // A model file fixes what a data set would otherwise imply.
        let isPublished = (try? Zoo.architecture(named: arch)) != nil
        return try rewritten(try Network(architecture: arch, options: isPublished ? given.over(implied) : given))
    }

    /// The network of a model file that a command takes as an argument, rewritten where the options say so.
    ///
    /// Throws: as `network(implied:)`.
    func network(ofModelFile path: String) throws -> Network {
        guard given == NetworkOptions() else { throw CommandFailure.fixedNetwork(path) }
        return try rewritten(try Network(modelFile: path))
    }

    private var given: NetworkOptions { NetworkOptions(classes: classes, imageSize: imageSize, channels: channels) }

    private func rewritten(_ network: Network) throws -> Network {
        let (assignment, title): (MethodAssignment, String)
        if let methodConfig {
            (assignment, title) = (try MethodConfiguration.read(methodConfig), "\(network.title) \(methodConfig)")
        } else if let method {
            (assignment, title) = (MethodAssignment(method: method), "\(network.title) \(method)")
        } else {
            return network
        }
        do {
            let graph = try assignment.apply(to: network.graph)
            // The file's weights are those of its own graph.
            let model = graph == network.graph ? network.model : nil
            return Network(
                title: title, graph: graph, convention: network.convention, model: model,
                isFromFile: network.isFromFile)
        } catch {
            if let methodConfig { throw CommandFailure(.badData, "\(methodConfig): \(error)") }
            throw CommandFailure(.usage, "--method \(method ?? ""): \(error)")
        }
    }
}
