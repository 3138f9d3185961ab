import Foundation
import TapestryFormats

/// A recipe and what it is called.
public struct NamedRecipe: Sendable {
    /// Its name, or the file that it is from.
    public let name: String
    /// What it is from and holds, in a line.
    public let summary: String
    /// Patterns of the networks that it was published for, which take it where no recipe is named: `ask/*`.
    public let networks: [String]
    /// The seed of the published programs; 1 where they have none.
    public let seed: UInt64
    public let recipe: Recipe

    init(_ name: String, for networks: [String] = [], seed: UInt64 = 1, _ summary: String, _ recipe: Recipe) {
        self.name = name
        self.summary = summary
        self.networks = networks
        self.seed = seed
        self.recipe = recipe
    }
}

/// Recipes by name, by network, and from files.
public enum Recipes {
    /// The published recipes. The first whose patterns match a network is the network's own.
    public static let named: [NamedRecipe] = [
        ask, hetconv, acnetCIFARQuick, acnetResNet56, acnetWRN, acnetImageNet, acnetCIFAR, shift, ec2tMNIST,
        ec2tScaleImageNet, ec2tScale, ec2tQuantize,
    ]

    /// The recipe that a network was published with; `ask` for one that is in no published family, as a model file's.
    public static func recipe(ofArchitecture name: String) -> NamedRecipe {
        named.first { $0.networks.contains { fnmatch($0, name, 0) == 0 } } ?? ask
    }

    /// A recipe by name; or the settings of a YAML file over the recipe that its `recipe` names, over that of the
    /// network without one; or, where nothing is named, the network's own.
    ///
    /// Throws `SettingError` for an unknown name, `ConfigurationError` for a bad setting, and what reading the file throws.
    public static func recipe(_ nameOrFile: String?, forArchitecture architecture: String) throws -> NamedRecipe {
        try recipe(nameOrFile, over: recipe(ofArchitecture: architecture))
    }

    /// As above, over a recipe other than the network's own.
    public static func recipe(_ nameOrFile: String?, over own: NamedRecipe) throws -> NamedRecipe {
        guard let nameOrFile else { return own }
        if let recipe = builtIn(nameOrFile) { return recipe }
        guard nameOrFile.hasSuffix(".yaml") || nameOrFile.hasSuffix(".yml") else {
            throw SettingError(
                "no recipe is called \"\(nameOrFile)\"; known are \(names), or name a .yaml file of settings")
        }
        return try read(nameOrFile, over: own)
    }

    private static func read(_ path: String, over own: NamedRecipe) throws -> NamedRecipe {
        let settings = try ConfigurationValue.read(path)
        guard let members = settings.members else {
            throw ConfigurationError(
                file: path, line: settings.line, reason: "a recipe is a mapping of settings, such as epochs: 20")
        }
        var base = own
        if let name = settings["recipe"] {
            guard let known = name.string.flatMap(builtIn) else {
                throw ConfigurationError(
                    file: path, line: name.line, reason: "recipe must be one of \(names), not \(name.inline)")
            }
            base = known
        }
        var recipe = base.recipe
        do {
            try recipe.apply(
                ConfigurationValue(.mapping(members.filter { $0.key != "recipe" }), line: settings.line))
        } catch {
            throw ConfigurationError(file: path, line: error.line, reason: error.description)
        }
        return NamedRecipe(path, seed: base.seed, "\(base.name) with other settings", recipe)
    }

    private static var names: String { named.map(\.name).joined(separator: " ") }

    private static func builtIn(_ name: String) -> NamedRecipe? { named.first { $0.name == name } }
}
