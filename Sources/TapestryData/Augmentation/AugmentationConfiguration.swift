import TapestryFormats

/// Steps as lists in a configuration file:
///
///     - pad-and-crop: {padding: 4, size: [32, 32]}
///     - horizontal-flip: 0.5
///     - color-jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}
///     - random-resized-crop: {size: [224, 224], scale: [0.08, 1.0], ratio: [0.75, 1.33], filter: bilinear}
///     - resize: {shorter-side: 256, filter: bilinear}
///     - resize-to: {size: [32, 32], filter: bicubic}
///     - center-crop: [224, 224]
///     - channels: 3
///     - cutout: 16
extension Augmentation {
    /// The steps, the cutout as the last of them.
    public var configuration: ConfigurationValue {
        let cutout = cutout.map { [step("cutout", ConfigurationValue(.integer($0)))] } ?? []
        return ConfigurationValue(.list(steps.map(\.configuration) + cutout))
    }

    /// Reads the steps; `file` names the configuration in errors.
    ///
    /// Throws: `ConfigurationError` for an unknown step, a missing or an impossible number, a cutout that is not last.
    public init(
        configuration: ConfigurationValue, normalization: Normalization, file: String
    ) throws(ConfigurationError) {
        guard let list = configuration.list else {
            throw ConfigurationError(file: file, line: configuration.line, reason: "expected a list of steps")
        }
        var steps: [AugmentationStep] = []
        var cutout: Int?
        for value in list {
            let fields = try StepFields(value, file: file)
            guard cutout == nil else { throw fields.error("expected cutout as the last step, found one after it") }
            if fields.name == "cutout" { cutout = try fields.positive() } else { steps.append(try fields.step()) }
        }
        self.init(steps, normalization: normalization, cutout: cutout)
    }
}

extension Preprocessing {
    public var configuration: ConfigurationValue { Augmentation(self).configuration }

    /// Reads the steps; `file` names the configuration in errors.
    ///
    /// Throws: `ConfigurationError`, also for a step that is random.
    public init(
        configuration: ConfigurationValue, normalization: Normalization, file: String
    ) throws(ConfigurationError) {
        let augmentation = try Augmentation(configuration: configuration, normalization: normalization, file: file)
        var steps: [PreprocessingStep] = []
        for step in augmentation.steps {
            guard case .preprocessing(let step) = step else { throw Self.randomStep(configuration, file) }
            steps.append(step)
        }
        guard augmentation.cutout == nil else { throw Self.randomStep(configuration, file) }
        self.init(steps, normalization: normalization)
    }

    private static func randomStep(_ value: ConfigurationValue, _ file: String) -> ConfigurationError {
        ConfigurationError(
            file: file, line: value.line, reason: "expected no random step in evaluation, found one")
    }
}

private func step(_ name: String, _ value: ConfigurationValue) -> ConfigurationValue { .mapping([name: value]) }

extension ImageSize {
    fileprivate var configuration: ConfigurationValue {
        [ConfigurationValue(.integer(height)), ConfigurationValue(.integer(width))]
    }
}

extension ClosedRange<Double> {
    fileprivate var configuration: ConfigurationValue {
        [ConfigurationValue(.real(lowerBound)), ConfigurationValue(.real(upperBound))]
    }
}

extension ResamplingFilter {
    fileprivate var configuration: ConfigurationValue { ConfigurationValue(.string(rawValue)) }
}

extension AugmentationStep {
    fileprivate var configuration: ConfigurationValue {
        switch self {
        case .preprocessing(.resize(let side, let filter)):
            step("resize", .mapping(["shorter-side": .init(.integer(side)), "filter": filter.configuration]))
        case .preprocessing(.resizeTo(let size, let filter)):
            step("resize-to", .mapping(["size": size.configuration, "filter": filter.configuration]))
        case .preprocessing(.centerCrop(let size)): step("center-crop", size.configuration)
        case .preprocessing(.channels(let channels)): step("channels", .init(.integer(channels)))
        case .padAndCrop(let padding, let size):
            step("pad-and-crop", .mapping(["padding": .init(.integer(padding)), "size": size.configuration]))
        case .horizontalFlip(let probability): step("horizontal-flip", .init(.real(probability)))
        case .randomResizedCrop(let size, let scale, let ratio, let filter):
            step(
                "random-resized-crop",
                .mapping([
                    "size": size.configuration, "scale": scale.configuration, "ratio": ratio.configuration,
                    "filter": filter.configuration,
                ]))
        case .colorJitter(let jitter):
            step(
                "color-jitter",
                .mapping([
                    "brightness": .init(.real(jitter.brightness)), "contrast": .init(.real(jitter.contrast)),
                    "saturation": .init(.real(jitter.saturation)), "hue": .init(.real(jitter.hue)),
                ]))
        }
    }
}
