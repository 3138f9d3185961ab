import TapestryFormats

/// A setting that is not the same in all runs.
struct SettingDifference {
    /// As `config.yaml` or `--set` calls it.
    let setting: String
    /// One for each run, in their order; nil where its record has no such setting.
    let values: [String?]

    /// The settings that differ, in the order in which the runs' records list them.
    static func all(among runs: [ReportedRun]) -> [SettingDifference] {
        let settings = runs.map { run in
            var settings = Self.settings(of: run.record.configuration)
            // As a rule of a table it would not fit in a line.
            if let index = settings.firstIndex(where: { $0.key == "methods" }) { settings[index].value = run.method }
            return settings
        }
        let byKey = settings.map { Dictionary($0.map { ($0.key, $0.value) }) { first, _ in first } }
        var keys: [String] = []
        var seen: Set<String> = []
        for key in settings.joined().map(\.key) where seen.insert(key).inserted { keys.append(key) }
        return keys.compactMap { key in
            let values = byKey.map { $0[key] }
            guard values.contains(where: { $0 != values.first }) else { return nil }
            return SettingDifference(setting: key, values: values)
        }
    }

    /// Every setting with its value in one line; those of the recipe and of the ternarization by their own names.
    private static func settings(of configuration: ConfigurationValue) -> [(key: String, value: String)] {
        (configuration.members ?? []).flatMap { member -> [(key: String, value: String)] in
            if ["recipe", "ternarization"].contains(member.key), member.value.members != nil {
                return settings(of: member.value)
            }
            return [(member.key, text(of: member.value))]
        }
    }

    private static func text(of value: ConfigurationValue) -> String {
        if let text = value.string { return text }
        return value.yaml.split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
