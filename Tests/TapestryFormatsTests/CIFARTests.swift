import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct CIFARTests {
    /// A record whose planes hold 1, 2 and 3 save for the first pixels, which tell rows from columns.
    private func record(labels: [UInt8]) -> [UInt8] {
        var planes = (1...3).map { [UInt8](repeating: UInt8($0), count: 1024) }
        planes[0][1] = 200
        planes[2][32] = 100
        return labels + planes.joined()
    }

    @Test func recordsBecomeInterleavedPixels() throws {
        let images = try CIFARImages.parse(record(labels: [9]) + record(labels: [0]), file: "f", variant: .cifar10)
        #expect(images.labels == [9, 0])
        #expect(Array(images.pixels[..<6]) == [1, 2, 3, 200, 2, 3])
        #expect(Array(images.pixels[96..<99]) == [1, 2, 100])
        #expect(images.pixels.count == 2 * 3072)
        #expect(images.classNames[3] == "cat")
    }

    @Test func cifar100TakesTheFineLabel() throws {
        let images = try CIFARImages.parse(record(labels: [19, 99]), file: "f", variant: .cifar100)
        #expect(images.labels == [99])
        #expect(images.classNames.count == 100)
    }

    @Test func wrongBytesAreNamed() {
        expectFormatError(at: 0, "expected records of 3073 bytes, found an empty file") {
            _ = try CIFARImages.parse([], file: "f", variant: .cifar10)
        }
        expectFormatError(at: 3073, "expected a whole record of 3073 bytes, found 5") {
            _ = try CIFARImages.parse(record(labels: [1]) + [0, 0, 0, 0, 0], file: "f", variant: .cifar10)
        }
        expectFormatError(at: 3073, "expected a label below 10, found 10") {
            _ = try CIFARImages.parse(record(labels: [1]) + record(labels: [10]), file: "f", variant: .cifar10)
        }
        expectFormatError(at: 1, "expected a label below 100, found 100") {
            _ = try CIFARImages.parse(record(labels: [0, 100]), file: "f", variant: .cifar100)
        }
    }

    @Test func everyTruncationIsRefused() {
        let bytes = record(labels: [4])
        #expect(
            Damage.truncationsAccepted(of: bytes) {
                _ = try CIFARImages.parse($0, file: "f", variant: .cifar10)
            } == [])
    }

    @Test(arguments: ["", "cifar-10-batches-bin/"])
    func directoriesAreTheFolderOrItsParent(prefix: String) throws {
        let directory = try TemporaryDirectory()
        for (index, name) in CIFARVariant.cifar10.files(of: .train).enumerated() {
            try directory.write(record(labels: [UInt8(index)]), to: prefix + name)
        }
        let names = (0..<10).map { "name\($0)\n" }.joined() + "\n"
        try directory.write(Array(names.utf8), to: prefix + "batches.meta.txt")
        let images = try CIFARImages.read(.cifar10, directory: directory.path, split: .train)
        #expect(images.labels == [0, 1, 2, 3, 4])
        #expect(images.classNames[9] == "name9")
        #expect(throws: InputNotFound.self) {
            try CIFARImages.read(.cifar10, directory: directory.path, split: .test)
        }
    }
}
