import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct ImageDecoderTests {
    private static let names = [
        "420.jpg", "444-progressive.jpg", "cmyk.jpg", "grey.jpg", "rgb.png", "rgba.png", "grey.png", "grey-alpha.png",
        "palette.png", "bilevel.png", "rgb16.png",
    ]

    private func decode(_ bytes: [UInt8]) throws { _ = try ImageDecoder.decode(bytes, file: "f") }

    @Test(arguments: names)
    func imagesDecodeAsPillowDecodesThem(name: String) throws {
        let image = try ImageDecoder.read(Fixture.path("images/\(name)"))
        let expected = try SafetensorsFile.read(Fixture.path("images.safetensors"))[name]
        let shape = Shape([image.height, image.width, image.channels])
        #expect(expected == .uint8(Tensor(shape: shape, elements: image.pixels)))
    }

    @Test(arguments: names)
    func everyTruncationIsRefused(name: String) throws {
        #expect(Damage.truncationsAccepted(of: try Fixture.bytes("images/\(name)"), by: decode) == [])
    }

    @Test(arguments: names)
    func damageIsRefusedOrDecoded(name: String) throws {
        let bytes = try Fixture.bytes("images/\(name)")
        #expect(Damage.flip(bytes, for: .milliseconds(100), expecting: FormatError.self, by: decode).isEmpty)
    }

    @Test func otherFilesAreRefused() throws {
        expectFormatError(at: 0, "expected a JPEG or PNG image, found an empty file") { try decode([]) }
        expectFormatError(at: 0, "found a GIF image; convert it to PNG") { try decode(Array("GIF89a".utf8)) }
        expectFormatError(at: 0, "found a WebP image") { try decode(Array("RIFF....WEBPVP8 ".utf8)) }
        expectFormatError(at: 0, "found bytes 52 49 46 46") { try decode(Array("RIFF".utf8)) }
        #expect(throws: InputNotFound.self) { try ImageDecoder.read(Fixture.path("images/none.png")) }
        expectFormatError("expected a regular file") { _ = try ImageDecoder.read(Fixture.path("images")) }
    }

    @Test func enormousImagesAreRefusedBeforeTheyAreDecoded() {
        // A header of 65500 x 65500 pixels, and no more of the file than that.
        let frame: [UInt8] = [0xFF, 0xC0, 0, 17, 8, 0xFF, 0xDC, 0xFF, 0xDC, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]
        let scan: [UInt8] = [0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]
        expectFormatError("expected at most 178956970 pixels, found 65500x65500") {
            try decode([0xFF, 0xD8] + frame + scan)
        }
    }

    @Test func extentsThatTheFileCannotHoldAreRefusedBeforeTheyAreDecoded() {
        // 13,000 x 13,000 pixels are within the limit: 24 bits each in the PNG, unpacked at most 1032 times.
        let frame: [UInt8] = [0xFF, 0xC0, 0, 17, 8, 0x32, 0xC8, 0x32, 0xC8, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]
        let scan: [UInt8] = [0xFF, 0xDA, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]
        expectFormatError("expected at least 330078 bytes for 13000x13000 pixels, found 35") {
            try decode([0xFF, 0xD8] + frame + scan)
        }
        let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let header: [UInt8] =
            [0, 0, 0, 13] + "IHDR".utf8 + [0, 0, 0x32, 0xC8, 0, 0, 0x32, 0xC8, 8, 2, 0, 0, 0]
            + [0x6D, 0xC0, 0x7F, 0x6F]
        let end: [UInt8] = [0, 0, 0, 0] + "IEND".utf8 + [0xAE, 0x42, 0x60, 0x82]
        expectFormatError("expected at least 491279 bytes for 13000x13000 pixels, found 45") {
            try decode(signature + header + end)
        }
    }

    @Test func scansThatWouldTakeMinutesAreRefusedBeforeTheyAreDecoded() throws {
        let tables: [UInt8] =
            [0xFF, 0xDB, 0, 67, 0] + [UInt8](repeating: 1, count: 64)
            + [0xFF, 0xC4, 0, 20, 0, 1] + [UInt8](repeating: 0, count: 16)
        // Scans without a bit, which refine all of the image: progressive ones after the first.
        let first: [UInt8] = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 1, 0]
        let next: [UInt8] = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0x10]
        func image(_ kind: UInt8, side: UInt8, scans: Int, comment: Int = 0) -> [UInt8] {
            let frame: [UInt8] = [0xFF, kind, 0, 11, 8, side, 0, side, 0, 1, 1, 0x11, 0]
            let comments = Array(
                repeating: [0xFF, 0xFE, 0xFF, 0xFF] + [UInt8](repeating: 0xDA, count: 65533), count: comment)
            return [0xFF, 0xD8] + tables + frame + comments.joined() + first
                + Array(repeating: next, count: scans - 1).joined() + [0xFF, 0xD9]
        }
        // 12,800 x 12,800 pixels, for which the file has bytes enough.
        expectFormatError("expected at most 8 scans of 163840000 pixels in 327994 bytes, found 20") {
            try decode(image(0xC2, side: 50, scans: 20, comment: 5))
        }
        expectFormatError("expected at most 1 scans of 163840000 pixels in 327884 bytes, found 9") {
            try decode(image(0xCA, side: 50, scans: 9, comment: 5))
        }
        // So few are decoded, up to what they lack.
        expectFormatError("premature end") { try decode(image(0xC2, side: 1, scans: 400)) }
        // These lack nothing: each has all of its blocks' bits, of which there is one for each of 32x32.
        let repeated = Array(repeating: first.prefix(9) + [UInt8](repeating: 0, count: 129), count: 600).joined()
        let frame: [UInt8] = [0xFF, 0xC2, 0, 11, 8, 1, 0, 1, 0, 1, 1, 0x11, 0]
        expectFormatError("more than 500 scans") {
            try decode([0xFF, 0xD8] + tables + frame + repeated + [0xFF, 0xD9])
        }
    }

    private static let large = [
        "444.jpg", "422.jpg", "420.jpg", "restarts.jpg", "progressive.jpg", "grey.jpg", "rgb.png",
    ]

    /// Corners, edges, single pixels, thin strips and the middle, each pixel as in the whole image.
    @Test(arguments: large)
    func partsHaveThePixelsOfTheWhole(name: String) throws {
        let path = Fixture.path("images/large/\(name)")
        let whole = try ImageDecoder.read(path)
        #expect(try ImageDecoder.readPart(of: path) { PixelRegion(rows: 0..<$0, columns: 0..<$1) } == ImagePart(whole))
        let rows = [0..<1, 0..<17, 15..<16, 16..<33, 31..<60, 60..<61]
        let columns = [0..<1, 0..<16, 15..<17, 17..<40, 32..<33, 64..<80, 79..<83, 82..<83]
        for region in rows.flatMap({ rows in columns.map { PixelRegion(rows: rows, columns: $0) } }) {
            let part = try ImageDecoder.readPart(of: path) { _, _ in region }
            #expect(pixels(of: region, in: part) == pixels(of: region, in: ImagePart(whole)), "\(region)")
        }
    }

    private func pixels(of region: PixelRegion, in part: ImagePart) -> [UInt8] {
        region.rows.flatMap { row in
            let start = ((row - part.top) * part.image.width + region.columns.lowerBound - part.left) * 3
            return part.image.pixels[start..<start + region.columns.count * 3]
        }
    }

    /// Of a damaged file, too, a part is what it is in the whole image, or cannot be read as that cannot.
    @Test(arguments: large)
    func damagedPartsAreThoseOfDamagedImages(name: String) throws {
        let bytes = try Fixture.bytes("images/large/\(name)")
        var random = RandomStream(seed: 9, purpose: .test)
        for _ in 0..<150 {
            var damaged = bytes
            damaged[random.integer(below: bytes.count)] ^= UInt8(1 << random.integer(below: 8))
            let whole = try? ImageDecoder.decode(damaged, file: "f", pixelLimit: 1 << 16)
            var region = PixelRegion(rows: 0..<1, columns: 0..<1)
            let part = try? ImageDecoder.decodePart(of: damaged, file: "f", pixelLimit: 1 << 16) { height, width in
                region = PixelRegion(
                    rows: height / 3..<height / 3 + (height + 1) / 2, columns: width / 3..<width / 3 + (width + 1) / 2)
                return region
            }
            #expect((part == nil) == (whole == nil))
            guard let part, let whole else { continue }
            #expect(pixels(of: region, in: part) == pixels(of: region, in: ImagePart(whole)), "\(region)")
        }
    }

    @Test func aPartIsLessThanTheWhole() throws {
        let part = try ImageDecoder.readPart(of: Fixture.path("images/large/420.jpg")) { _, _ in
            PixelRegion(rows: 20..<30, columns: 40..<50)
        }
        #expect((part.top, part.left, part.image.height, part.image.width) == (20, 32, 10, 20))
    }

    /// Whether an image is whole does not depend on which part of it is wanted.
    @Test(arguments: large)
    func damageOutsideAPartIsFound(name: String) throws {
        let bytes = try Fixture.bytes("images/large/\(name)")
        for count in [bytes.count - 2, bytes.count * 3 / 4] {
            #expect(throws: FormatError.self) {
                try ImageDecoder.decodePart(of: Array(bytes.prefix(count)), file: "f") { _, _ in
                    PixelRegion(rows: 0..<8, columns: 0..<8)
                }
            }
        }
    }

    @Test func theCallerMayLimitThePixels() throws {
        let bytes = try Fixture.bytes("images/rgb.png")
        let image = try ImageDecoder.decode(bytes, file: "f")
        let count = image.height * image.width
        #expect(try ImageDecoder.decode(bytes, file: "f", pixelLimit: count) == image)
        expectFormatError("expected at most \(count - 1) pixels") {
            _ = try ImageDecoder.decode(bytes, file: "f", pixelLimit: count - 1)
        }
    }
}
