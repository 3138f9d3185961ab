import TapestryCore
import TapestryData
import TapestryFormats
import Testing

@Suite struct ResamplingTests {
    private let fixture: TransformFixture

    init() throws { fixture = try TransformFixture() }

    @Test(arguments: ["rgb", "grey"], ResamplingFilter.allCases)
    func resizingEqualsPillow(source: String, filter: ResamplingFilter) throws {
        let image = try fixture.image(source)
        let cases = fixture.names("\(source)/resize/\(filter.rawValue)/")
        #expect(cases.count == 4)
        for (name, _) in cases {
            let expected = try fixture.image(name)
            let size = ImageSize(height: expected.height, width: expected.width)
            #expect(Resampler.resize(image, to: size, filter: filter).largestDifference(from: expected) == 0, "\(name)")
        }
    }

    @Test(arguments: ["rgb", "grey"], ResamplingFilter.allCases)
    func theShorterSideFollowsTorchvision(source: String, filter: ResamplingFilter) throws {
        let image = try fixture.image(source)
        let cases = fixture.names("\(source)/shorter/\(filter.rawValue)/")
        #expect(cases.count == 3)
        for (name, rest) in cases {
            let side = try #require(Int(rest))
            let pixels = try apply(
                Augmentation(
                    [.preprocessing(.resize(shorterSide: side, filter: filter))],
                    normalization: identity(channels: image.channels)), to: image)
            #expect(pixels.map { UInt8($0.rounded()) } == (try fixture.image(name)).pixels, "\(name)")
        }
    }

    @Test(arguments: ["rgb", "grey"])
    func centerCropsEqualTorchvision(source: String) throws {
        let image = try fixture.image(source)
        for (name, _) in fixture.names("\(source)/center/") {
            let expected = try fixture.image(name)
            let size = ImageSize(height: expected.height, width: expected.width)
            let pixels = try apply(
                Augmentation([.preprocessing(.centerCrop(size))], normalization: identity(channels: image.channels)),
                to: image)
            #expect(pixels.map { UInt8($0.rounded()) } == expected.pixels, "\(name)")
        }
    }

    /// Images that differ in size, as a folder's may.
    private struct Pictures: ImageDataset {
        let picture: PixelImage
        let uniformSize: ImageSize?
        var count: Int { 1 }
        var classNames: [String] { ["a"] }
        var channels: Int { 3 }
        func label(at index: Int) -> Int { 0 }
        func image(at index: Int) -> PixelImage { picture }
    }

    @Test func testImagesArePreparedAsTorchvisionDoes() throws {
        let pictures = Pictures(picture: try fixture.image("rgb"), uniformSize: nil)
        let cases = fixture.names("rgb/tested/")
        #expect(cases.count == 2)
        for (name, rest) in cases {
            let parts = rest.split(separator: "/").map(String.init)
            let size = try #require(Int(parts[2]))
            let sizing = InputSizing(
                filter: try #require(ResamplingFilter(rawValue: parts[0])),
                centerCropShare: try #require(Double(parts[1])))
            let preprocessing = Preprocessing(
                for: pictures, size: size, channels: 3, normalization: try .preset("imagenet", channels: 3),
                sizing: sizing)
            #expect(try apply(Augmentation(preprocessing), to: pictures.picture) == fixture.floats(name).elements)
        }
    }

    @Test func inputSizesAreMadeAsSettingsSay() throws {
        let picture = PixelImage.numbered(height: 8, width: 8, channels: 3)
        func steps(_ sizing: InputSizing, _ size: Int, of uniform: ImageSize?) throws -> [PreprocessingStep] {
            Preprocessing(
                for: Pictures(picture: picture, uniformSize: uniform), size: size, channels: 3,
                normalization: identity(channels: 3), sizing: sizing
            ).steps
        }
        let square = ImageSize(height: 224, width: 224)
        #expect(try steps(InputSizing(), 224, of: nil) == [.resize(shorterSide: 256), .centerCrop(square)])
        let bicubic = InputSizing(filter: .bicubic, centerCropShare: 1)
        #expect(
            try steps(bicubic, 224, of: nil) == [.resize(shorterSide: 224, filter: .bicubic), .centerCrop(square)])
        #expect(try steps(bicubic, 224, of: square).isEmpty)
        let small = ImageSize(height: 8, width: 8)
        #expect(try steps(bicubic, 224, of: small) == [.resizeTo(square, filter: .bicubic)])
    }

    @Test func inputSizingComesBackFromAModelsFacts() throws {
        let sizing = InputSizing(filter: .bicubic, centerCropShare: 0.9)
        #expect(try InputSizing(facts: sizing.facts) == sizing)
        #expect(try InputSizing(facts: ["architecture": "ask/vgg16"]) == nil)
        for facts in [
            ["resize-filter": "nearest"], ["center-crop-share": "0"], ["center-crop-share": "nan"],
            ["center-crop-share": "1e9"], ["center-crop-share": ""],
        ] {
            #expect(throws: DataError.self) { try InputSizing(facts: facts) }
        }
    }

    @Test func aConstantImageStaysConstant() {
        let image = PixelImage(height: 7, width: 5, channels: 1, pixels: [UInt8](repeating: 201, count: 35))
        for filter in ResamplingFilter.allCases {
            let resized = Resampler.resize(image, to: ImageSize(height: 3, width: 11), filter: filter)
            #expect(resized.pixels.allSatisfy { $0 == 201 })
        }
    }

    @Test func randomResizedCropsKeepToTheirRanges() {
        var random = RandomStream(seed: 3, purpose: .test)
        let image = ImageSize(height: 100, width: 140)
        var heights: Set<Int> = []
        for _ in 0..<1000 {
            let crop = CropGeometry.randomResized(in: image, scale: 0.2...0.5, ratio: 0.75...4.0 / 3, using: &random)
            let (height, width) = (crop.size.height, crop.size.width)
            #expect(crop.top >= 0 && crop.left >= 0 && crop.top + height <= 100 && crop.left + width <= 140)
            let share = Double(height * width) / 14000
            let ratio = Double(width) / Double(height)
            #expect((0.19...0.51).contains(share) && (0.73...1.36).contains(ratio))
            heights.insert(height)
        }
        #expect(heights.count > 20)
    }

    @Test func aCropThatNeverFitsFallsBackToTheCentre() {
        var random = RandomStream(seed: 3, purpose: .test)
        let crop = CropGeometry.randomResized(
            in: ImageSize(height: 10, width: 100), scale: 1...1, ratio: 0.75...4.0 / 3, using: &random)
        #expect(crop == CropRectangle(top: 0, left: 43, size: ImageSize(height: 10, width: 13)))
    }
}
