import TapestryCore
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct ImageDecoderTests {
    private static let names = [
        "420.jpg", "444-progressive.jpg", "grey.jpg", "rgb.png", "rgba.png", "grey.png", "grey-alpha.png",
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
        expectFormatError(at: 0, "found bytes 47 49 46 38") { try decode(Array("GIF89a".utf8)) }
        expectFormatError("found CMYK") { _ = try ImageDecoder.read(Fixture.path("images/cmyk.jpg")) }
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
}
