import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct IDXTests {
    private let images: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4]

    private func parse(_ bytes: [UInt8]) throws { _ = try IDXFile.parse(bytes, file: "f", rank: 3) }

    @Test func plainFilesAreRead() throws {
        let file = try IDXFile.parse(images, file: "f", rank: 3)
        #expect(file.dimensions == [1, 2, 2])
        #expect(file.bytes == [1, 2, 3, 4])
    }

    @Test func aDirectoryMayMixGzippedAndPlainFiles() throws {
        let images = try IDXImages.read(
            directory: Fixture.path("idx"), split: .train, classNames: IDXImages.fashionNames)
        #expect((images.height, images.width, images.channels) == (4, 5, 1))
        #expect(images.pixels == Array(0..<60))
        #expect(images.labels == [7, 0, 9])
        #expect(throws: InputNotFound.self) {
            try IDXImages.read(directory: Fixture.path("idx"), split: .test, classNames: IDXImages.digitNames)
        }
    }

    @Test func wrongBytesAreNamed() {
        expectFormatError(at: 0, "expected a header of 16 bytes, found 0") { try parse([]) }
        expectFormatError(at: 0, "expected magic number 0x00000803, found 0x00000801") {
            try parse([0, 0, 8, 1] + images[4...])
        }
        expectFormatError(at: 4, "expected 1x2x2 bytes of data") { try parse(images.dropLast()) }
        expectFormatError(at: 20, "expected the end of the file, found 1 more bytes") { try parse(images + [0]) }
        expectFormatError(at: 4, "expected 4294967295x4294967295x4294967295 bytes") {
            try parse([0, 0, 8, 3] + [UInt8](repeating: 255, count: 12))
        }
    }

    @Test func everyTruncationIsRefused() throws {
        #expect(Damage.truncationsAccepted(of: images, by: parse) == [])
        let zipped = try Fixture.bytes("idx/train-images-idx3-ubyte.gz")
        #expect(Damage.truncationsAccepted(of: zipped, by: parse) == [])
    }

    @Test func damagedGzipIsRefused() throws {
        let zipped = try Fixture.bytes("idx/train-images-idx3-ubyte.gz")
        expectFormatError(at: 76, "found 1 bytes after the gzip stream") { try parse(zipped + [0]) }
        var damaged = zipped
        damaged[zipped.count - 6] ^= 1
        expectFormatError(at: 76, "found damage") { try parse(damaged) }
        #expect(Damage.flip(zipped, for: .milliseconds(200), expecting: FormatError.self, by: parse).isEmpty)
        #expect(Damage.flip(images, for: .milliseconds(100), expecting: FormatError.self, by: parse).isEmpty)
    }

    @Test func imagesAndLabelsMustGoTogether() throws {
        let directory = try TemporaryDirectory()
        try directory.write(images, to: "t10k-images-idx3-ubyte")
        func read() throws {
            _ = try IDXImages.read(directory: directory.path, split: .test, classNames: IDXImages.digitNames)
        }
        try directory.write([0, 0, 8, 1, 0, 0, 0, 2, 0, 0], to: "t10k-labels-idx1-ubyte")
        expectFormatError(at: 4, "expected 1 labels, one for each image, found 2", read)
        try directory.write([0, 0, 8, 1, 0, 0, 0, 1, 10], to: "t10k-labels-idx1-ubyte")
        expectFormatError(at: 8, "expected a label below 10, found 10", read)
        try directory.write([0, 0, 8, 3] + [UInt8](repeating: 0, count: 12), to: "t10k-images-idx3-ubyte")
        expectFormatError(at: 4, "expected at least one pixel", read)
    }
}
