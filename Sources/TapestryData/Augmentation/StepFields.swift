import TapestryFormats

/// One step of a configuration's list, "name: value", and the checked reading of its numbers.
struct StepFields {
    let name: String
    private let value: ConfigurationValue
    private let file: String

    private static let names = [
        "pad-and-crop", "horizontal-flip", "color-jitter", "random-resized-crop", "resize", "resize-to", "center-crop",
        "channels", "cutout",
    ]

    init(_ step: ConfigurationValue, file: String) throws(ConfigurationError) {
        guard let members = step.members, members.count == 1 else {
            throw ConfigurationError(
                file: file, line: step.line, reason: "expected a step as 'name: value', found another value")
        }
        name = members[0].key
        value = members[0].value
        self.file = file
    }

    func error(_ reason: String) -> ConfigurationError {
        ConfigurationError(file: file, line: value.line, reason: "\(name): \(reason)")
    }

    /// The step; every name but cutout, which is none.
    func step() throws(ConfigurationError) -> AugmentationStep {
        switch name {
        case "pad-and-crop":
            try expect(["padding", "size"])
            let padding = value["padding"]?.integer ?? 0
            guard (0...1 << 16).contains(padding) else { throw error("expected a padding of pixels, found \(padding)") }
            return .padAndCrop(padding: padding, size: try size(value["size"]))
        case "horizontal-flip": return .horizontalFlip(probability: try number(value, in: 0...1, or: 0.5))
        case "color-jitter":
            try expect(["brightness", "contrast", "saturation", "hue"])
            return .colorJitter(
                ColorJitter(
                    brightness: try number(value["brightness"], in: 0...100, or: 0),
                    contrast: try number(value["contrast"], in: 0...100, or: 0),
                    saturation: try number(value["saturation"], in: 0...100, or: 0),
                    hue: try number(value["hue"], in: 0...0.5, or: 0)))
        case "random-resized-crop":
            try expect(["size", "scale", "ratio", "filter"])
            return .randomResizedCrop(
                size: try size(value["size"]), scale: try range(value["scale"], or: 0.08...1),
                ratio: try range(value["ratio"], or: 3.0 / 4...4.0 / 3), filter: try filter())
        case "resize":
            try expect(["shorter-side", "filter"])
            return .preprocessing(.resize(shorterSide: try positive(value["shorter-side"]), filter: try filter()))
        case "resize-to":
            try expect(["size", "filter"])
            return .preprocessing(.resizeTo(try size(value["size"]), filter: try filter()))
        case "center-crop": return .preprocessing(.centerCrop(try size(value)))
        case "channels":
            guard let channels = value.integer, [1, 3].contains(channels) else { throw error("expected 1 or 3") }
            return .preprocessing(.channels(channels))
        default: throw error("no such step: expected \(Self.names.joined(separator: ", "))")
        }
    }

    /// A number of pixels, the step's own value.
    func positive() throws(ConfigurationError) -> Int { try positive(value) }

    private func expect(_ keys: [String]) throws(ConfigurationError) {
        guard let members = value.members, members.allSatisfy({ keys.contains($0.key) }) else {
            throw error("expected a mapping of \(keys.joined(separator: ", "))")
        }
    }

    private func positive(_ value: ConfigurationValue?) throws(ConfigurationError) -> Int {
        guard let number = value?.integer, (1...1 << 16).contains(number) else {
            throw error("expected a number of pixels from 1 to \(1 << 16)")
        }
        return number
    }

    private func size(_ value: ConfigurationValue?) throws(ConfigurationError) -> ImageSize {
        guard let list = value?.list else {
            let side = try positive(value)
            return ImageSize(height: side, width: side)
        }
        guard list.count == 2 else { throw error("expected a side or [height, width], found \(list.count) numbers") }
        return ImageSize(height: try positive(list[0]), width: try positive(list[1]))
    }

    private func number(
        _ value: ConfigurationValue?, in bounds: ClosedRange<Double>, or fallback: Double
    ) throws(ConfigurationError) -> Double {
        guard let value, value.content != .null else { return fallback }
        guard let number = value.number, bounds.contains(number) else {
            throw error("expected a number from \(bounds.lowerBound) to \(bounds.upperBound)")
        }
        return number
    }

    private func range(
        _ value: ConfigurationValue?, or fallback: ClosedRange<Double>
    ) throws(ConfigurationError) -> ClosedRange<Double> {
        guard let value else { return fallback }
        guard let list = value.list, list.count == 2, let low = list[0].number, let high = list[1].number, 0 < low,
            low <= high, high.isFinite
        else { throw error("expected [low, high] with 0 < low <= high") }
        return low...high
    }

    private func filter() throws(ConfigurationError) -> ResamplingFilter {
        guard let value = value["filter"] else { return .bilinear }
        guard let name = value.string, let filter = ResamplingFilter(rawValue: name) else {
            throw error("expected filter bilinear or bicubic")
        }
        return filter
    }
}
