import TapestryData
import TapestryFormats
import Testing

@Suite struct AugmentationConfigurationTests {
    private let none = Normalization(mean: [0], standardDeviation: [1])

    private func parse(_ text: String) throws -> Augmentation {
        let value = try ConfigurationValue.parse(text, file: "f.yaml")
        return try Augmentation(configuration: value, normalization: none, file: "f.yaml")
    }

    @Test func everyStepSurvivesWritingAndReading() throws {
        let size = ImageSize(height: 24, width: 32)
        let augmentation = Augmentation(
            [
                .preprocessing(.resize(shorterSide: 40, filter: .bicubic)), .preprocessing(.resizeTo(size)),
                .preprocessing(.centerCrop(size)), .preprocessing(.channels(3)),
                .padAndCrop(padding: 4, size: size), .horizontalFlip(probability: 0.25),
                .randomResizedCrop(size: size, scale: 0.2...1, ratio: 0.5...2, filter: .bicubic),
                .colorJitter(ColorJitter(brightness: 0.4, contrast: 0.3, saturation: 0.2, hue: 0.1)),
            ], normalization: none, cutout: 16)
        #expect(try parse(augmentation.configuration.yaml) == augmentation)
    }

    @Test func whatIsLeftOutHasTorchvisionsDefaults() throws {
        let size = ImageSize(height: 32, width: 32)
        let text = "- pad-and-crop: {padding: 4, size: 32}\n- horizontal-flip:\n- random-resized-crop: {size: 32}\n"
        let expected: [AugmentationStep] = [
            .padAndCrop(padding: 4, size: size), .horizontalFlip(), .randomResizedCrop(size: size),
        ]
        #expect(try parse(text).steps == expected)
    }

    @Test(
        arguments: [
            ("a: 1", "expected a list of steps"), ("- flip: 1", "no such step"), ("- crop", "expected a step as"),
            ("- horizontal-flip: 2", "from 0.0 to 1.0"), ("- cutout: 0", "a number of pixels"),
            ("- cutout: 4\n- horizontal-flip: 1", "cutout as the last step"), ("- channels: 2", "expected 1 or 3"),
            ("- resize: {shorter-side: 9, filter: nearest}", "bilinear or bicubic"),
            ("- resize: {side: 9}", "a mapping of shorter-side, filter"),
            ("- center-crop: [1, 2, 3]", "found 3 numbers"),
            ("- random-resized-crop: {size: 4, scale: [0, 1]}", "0 < low"),
            ("- color-jitter: {hue: 0.6}", "from 0.0 to 0.5"),
            ("- pad-and-crop: {padding: -1, size: 4}", "a padding of pixels"),
        ])
    func wrongStepsAreNamed(text: String, reason: String) {
        do {
            _ = try parse(text)
            Issue.record("expected an error")
        } catch {
            #expect("\(error)".contains(reason))
        }
    }

    @Test func evaluationRefusesWhatIsRandom() throws {
        let fixed: ConfigurationValue = [.mapping(["resize": .mapping(["shorter-side": 256])])]
        let preprocessing = try Preprocessing(configuration: fixed, normalization: none, file: "f")
        #expect(preprocessing.steps == [.resize(shorterSide: 256)])
        #expect(
            try Preprocessing(configuration: preprocessing.configuration, normalization: none, file: "f")
                == preprocessing)
        for random: ConfigurationValue in [[.mapping(["horizontal-flip": 0.5])], [.mapping(["cutout": 8])]] {
            #expect(throws: ConfigurationError.self) {
                try Preprocessing(configuration: random, normalization: none, file: "f")
            }
        }
    }
}
