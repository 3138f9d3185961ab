import TapestryCore
import TapestryData
import TapestryFormats
import Testing

@Suite struct AugmentationTests {
    private let image = PixelImage.numbered(height: 6, width: 8, channels: 3)

    /// The pixel at a place of the image, zero outside, as a naive reading of the definition has it.
    private func pixel(_ image: PixelImage, _ y: Int, _ x: Int, _ channel: Int) -> Float {
        guard (0..<image.height).contains(y), (0..<image.width).contains(x) else { return 0 }
        return Float(image.pixels[(y * image.width + x) * image.channels + channel])
    }

    private func naive(_ image: PixelImage, top: Int, left: Int, size: ImageSize, isFlipped: Bool) -> [Float] {
        (0..<size.height).flatMap { y in
            (0..<size.width).flatMap { x in
                (0..<image.channels).map { pixel(image, top + y, left + (isFlipped ? size.width - 1 - x : x), $0) }
            }
        }
    }

    private func pixels(_ steps: [AugmentationStep], _ image: PixelImage, index: UInt64) throws -> [Float] {
        try apply(Augmentation(steps, normalization: identity(channels: image.channels)), to: image, index: index)
            .map { $0.rounded() }
    }

    @Test(arguments: [1, 3])
    func everyPadAndCropIsOneOfTheWindows(channels: Int) throws {
        let image = PixelImage.numbered(height: 6, width: 8, channels: channels)
        let size = ImageSize(height: 5, width: 7)
        var windows: [[Float]: Int] = [:]
        for top in -2...3 {
            for left in -2...3 {
                windows[naive(image, top: top, left: left, size: size, isFlipped: false)] = 0
                windows[naive(image, top: top, left: left, size: size, isFlipped: true)] = 0
            }
        }
        for steps: [AugmentationStep] in [
            [.padAndCrop(padding: 2, size: size), .horizontalFlip()],
            [.horizontalFlip(), .padAndCrop(padding: 2, size: size)],
        ] {
            for index in 0..<2000 {
                let result = try pixels(steps, image, index: UInt64(index))
                #expect(windows[result] != nil)
                windows[result, default: 0] += 1
            }
        }
        // 72 windows in 4000 draws: each about 56 times.
        #expect(windows.values.allSatisfy { (20...110).contains($0) })
    }

    @Test func flipsFollowTheirProbability() throws {
        let size = ImageSize(height: 6, width: 8)
        let flipped = naive(image, top: 0, left: 0, size: size, isFlipped: true)
        #expect(try pixels([.horizontalFlip(probability: 1)], image, index: 0) == flipped)
        #expect(try pixels([.horizontalFlip(probability: 0)], image, index: 0) == image.pixels.map(Float.init))
    }

    @Test func whatACropCutsOffDoesNotComeBack() throws {
        let small = ImageSize(height: 2, width: 2)
        let steps: [AugmentationStep] = [
            .horizontalFlip(probability: 1), .preprocessing(.centerCrop(small)),
            .preprocessing(.centerCrop(ImageSize(height: 4, width: 4))),
        ]
        let result = try pixels(steps, image, index: 0)
        for y in 0..<4 {
            for x in 0..<4 {
                let isInside = (1...2).contains(y) && (1...2).contains(x)
                #expect(result[(y * 4 + x) * 3] == (isInside ? pixel(image, y + 1, 5 - x, 0) : 0))
            }
        }
    }

    @Test func cutoutIsASquareOfZerosAfterNormalization() throws {
        let image = PixelImage(height: 8, width: 8, channels: 1, pixels: [UInt8](repeating: 255, count: 64))
        let normalization = try Normalization.preset("acnet", channels: 1)
        var counts: Set<Int> = []
        for index in 0..<200 {
            let result = try apply(
                Augmentation(normalization: normalization, cutout: 4), to: image, index: UInt64(index))
            let holes = (0..<64).filter { result[$0] == 0 }
            #expect(result.allSatisfy { $0 == 0 || $0 == 1 })
            let (rows, columns) = (Set(holes.map { $0 / 8 }), Set(holes.map { $0 % 8 }))
            #expect(rows.count * columns.count == holes.count)
            #expect((2...4).contains(rows.count) && (2...4).contains(columns.count))
            counts.insert(holes.count)
        }
        #expect(counts == [4, 6, 8, 9, 12, 16])
    }

    /// Padding is black, and so normalised; the hole is made after that, of zeros.
    @Test func cutoutFollowsTheOtherSteps() throws {
        let fixture = try TransformFixture()
        let image = try fixture.image("rgb")
        let (height, width) = (image.height + 8, image.width + 8)
        let expected = try fixture.floats("rgb/trained/ec2t")
        #expect(expected.shape.dimensions == [height, width, 3])
        let steps: [AugmentationStep] = [
            .horizontalFlip(probability: 1), .padAndCrop(padding: 4, size: ImageSize(height: height, width: width)),
        ]
        let normalization = try Normalization.preset("ec2t", channels: 3)
        #expect(try apply(Augmentation(steps, normalization: normalization), to: image) == expected.elements)
        for index in 0..<50 {
            let result = try apply(
                Augmentation(steps, normalization: normalization, cutout: 16), to: image, index: UInt64(index))
            // No red of a picture becomes exactly 0, the mean being 125.3.
            let holes = (0..<height * width).filter { result[3 * $0] == 0 }
            let inHole = Set(holes)
            #expect(
                result.indices.allSatisfy { result[$0] == (inHole.contains($0 / 3) ? 0 : expected.elements[$0]) })
            let (rows, columns) = (Set(holes.map { $0 / width }), Set(holes.map { $0 % width }))
            #expect(rows.count * columns.count == holes.count)
            #expect((8...16).contains(rows.count) && (8...16).contains(columns.count))
        }
    }

    @Test func normalizationEqualsTorchvisionsToTheBit() throws {
        let fixture = try TransformFixture()
        let image = try fixture.image("rgb")
        let result = try apply(Augmentation(normalization: try .preset("ask", channels: 3)), to: image)
        #expect(result == (try fixture.floats("rgb/normalized/ask")).elements)
    }

    @Test func greyBecomesColourAndBack() throws {
        let grey = PixelImage.numbered(height: 2, width: 2, channels: 1)
        let steps: [AugmentationStep] = [.preprocessing(.channels(3)), .preprocessing(.channels(1))]
        let colour = try apply(Augmentation([steps[0]], normalization: identity(channels: 3)), to: grey)
        #expect(colour.map { UInt8($0.rounded()) } == grey.pixels.flatMap { [$0, $0, $0] })
        let back = try apply(Augmentation(steps, normalization: identity(channels: 1)), to: grey)
        #expect(back.map { UInt8($0.rounded()) } == grey.pixels)
    }

    @Test func impossibleTransformsAreRefused() throws {
        let none = try Normalization.preset("none", channels: 3)
        let large = AugmentationStep.padAndCrop(padding: 1, size: ImageSize(height: 40, width: 40))
        #expect(throws: DataError.self) {
            try SampleTransform(
                Augmentation([large], normalization: none), input: ImageSize(height: 32, width: 32), channels: 3)
        }
        #expect(throws: DataError.self) {
            try SampleTransform(Augmentation(normalization: none), input: nil, channels: 3)
        }
        #expect(throws: DataError.self) {
            try SampleTransform(Augmentation(normalization: none), input: ImageSize(height: 2, width: 2), channels: 1)
        }
    }
}
