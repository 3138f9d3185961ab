import TapestryCommandLine
import TapestryFormats
import TapestryRecipes
import TapestryRuntime

extension RecipeArguments {
    /// Puts the options that were given in the place of what the configuration says.
    func apply(to configuration: inout RunConfiguration) throws {
        configuration.seed = seed ?? configuration.seed
        configuration.engine = engine ?? configuration.engine
        if engine == .native, configuration.device != "cpu" {
            throw CommandFailure(.usage, "--engine native computes on the CPU; leave it or --device out")
        }
        // As settings of the recipe, so that what is accepted here is what a resumed run's record may hold.
        try configuration.set("epochs", to: epochs.map { .integer($0) }, from: "--epochs")
        try configuration.set("batch-size", to: batchSize.map { .integer($0) }, from: "--batch-size")
        try configuration.set("learning-rate", to: learningRate.map { .real($0) }, from: "--lr")
        try configuration.set("target-accuracy", to: targetAccuracy.map { .real($0) }, from: "--target-accuracy")
        try configuration.set("sync-batch-norm", to: syncBatchNorm ? .bool(true) : nil, from: "--sync-batch-norm")
        for setting in settings {
            let option = "--set \(setting.defaultValueDescription)"
            let value: ConfigurationValue
            do { value = try ConfigurationValue.parse(setting.value, file: option) } catch {
                let reason = (error as? ConfigurationError)?.reason ?? "\(error)"
                throw CommandFailure(.usage, "\(option): \(reason)")
            }
            try configuration.set(setting.key, to: value.content, from: option)
        }
    }
}

extension RunConfiguration {
    /// Sets what `option` gives a value for. Throws `CommandFailure` that names the option.
    fileprivate mutating func set(_ key: String, to content: ConfigurationValue.Content?, from option: String) throws {
        guard let content else { return }
        do { try set(key, to: ConfigurationValue(content)) } catch {
            throw CommandFailure(.usage, "\(option): \(error)")
        }
    }
}
