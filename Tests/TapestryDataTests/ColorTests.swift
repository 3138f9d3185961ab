import TapestryCore
import TapestryData
import TapestryFormats
import Testing

@Suite struct ColorTests {
    @Test(arguments: ["rgb", "grey"], ["brightness", "contrast", "saturation", "hue"])
    func adjustmentsEqualTorchvision(source: String, adjustment: String) throws {
        let fixture = try TransformFixture()
        let image = try fixture.image(source)
        let cases = fixture.names("\(source)/\(adjustment)/")
        #expect(cases.count >= 4)
        for (name, rest) in cases {
            let factor = try #require(Double(rest))
            let adjusted =
                switch adjustment {
                case "brightness": ColorAdjustment.brightness(image, factor: factor)
                case "contrast": ColorAdjustment.contrast(image, factor: factor)
                case "saturation": ColorAdjustment.saturation(image, factor: factor)
                default: ColorAdjustment.hue(image, factor: factor)
                }
            #expect(adjusted.largestDifference(from: try fixture.image(name)) == 0, "\(name)")
        }
    }

    @Test func jitterOfNoStrengthChangesNothing() throws {
        let image = try TransformFixture().image("rgb")
        let augmentation = Augmentation([.colorJitter(ColorJitter())], normalization: identity(channels: 3))
        #expect(try apply(augmentation, to: image).map { UInt8($0.rounded()) } == image.pixels)
    }

    @Test func jitterDependsOnSeedEpochAndImage() throws {
        let image = try TransformFixture().image("rgb")
        let jitter = ColorJitter(brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1)
        let augmentation = Augmentation([.colorJitter(jitter)], normalization: identity(channels: 3))
        let first = try apply(augmentation, to: image)
        #expect(try apply(augmentation, to: image) == first)
        #expect(try apply(augmentation, to: image, seed: 2) != first)
        #expect(try apply(augmentation, to: image, epoch: 1) != first)
        #expect(try apply(augmentation, to: image, index: 1) != first)
    }
}
