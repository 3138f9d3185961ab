import TapestryCore
import TapestryData
import TapestryFormats
import TapestryTestSupport
import Testing

@Suite struct DatasetTests {
    private func cifarRecord(_ label: UInt8, _ value: UInt8) -> [UInt8] {
        [label] + [UInt8](repeating: value, count: 3072)
    }

    @Test func theKindIsSeenFromTheFiles() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: InputNotFound.self) { try DatasetKind.open(directory: directory.path, split: .train) }
        try directory.write(cifarRecord(3, 9), to: "c10/test_batch.bin")
        try directory.write([0] + cifarRecord(3, 9), to: "c100/cifar-100-binary/test.bin")
        try directory.write(try Fixture.bytes("images/rgb.png"), to: "folder/val/a/1.png")
        for (name, kind) in [("c10", DatasetKind.cifar10), ("c100", .cifar100), ("folder", .folder)] {
            let opened = try DatasetKind.open(directory: "\(directory.path)/\(name)", split: .test)
            #expect(opened.kind == kind)
            #expect(opened.dataset.count == 1)
            #expect(opened.dataset.channels == kind.channels)
        }
        #expect(try DatasetKind.open(directory: Fixture.path("idx"), split: .train).kind == .mnist)
        let named = try DatasetKind.open(.fashionMNIST, directory: Fixture.path("idx"), split: .train)
        #expect(named.dataset.classNames[9] == "Ankle boot")
        #expect(named.dataset.uniformSize == ImageSize(height: 4, width: 5))
    }

    @Test func missingFilesComeWithAdvice() {
        for kind in DatasetKind.allCases {
            do {
                _ = try DatasetKind.open(kind, directory: Fixture.path("cifar"), split: .test)
                Issue.record("expected an error")
            } catch {
                #expect(error is InputNotFound)
                #expect("\(error)".contains(kind == .fashionMNIST ? "dataset-fashion-mnist" : "expected"))
            }
        }
    }

    @Test func verifyingCountsAndMeasures() throws {
        let directory = try TemporaryDirectory()
        try directory.write(cifarRecord(3, 0) + cifarRecord(3, 255) + cifarRecord(0, 51), to: "test_batch.bin")
        let dataset = try DatasetKind.open(.cifar10, directory: directory.path, split: .test).dataset
        let report = DatasetReport(verifying: dataset)
        #expect(report.count == 3)
        #expect(report.countPerClass == [1, 0, 0, 2, 0, 0, 0, 0, 0, 0])
        #expect(report.countPerSize == [ImageSize(height: 32, width: 32): 3])
        #expect(report.mean.allSatisfy { abs($0 - 0.4) < 1e-12 })
        #expect(report.standardDeviation.allSatisfy { abs($0 - (0.56 / 3).squareRoot()) < 1e-12 })
        #expect(report.failures.isEmpty)
        #expect(DatasetSubset(dataset, first: 2).count == 2)
        #expect(DatasetSubset(dataset, first: 9).count == 3)
    }

    @Test func verifyingNamesDamagedFiles() throws {
        let directory = try TemporaryDirectory()
        try directory.write(try Fixture.bytes("images/rgb.png"), to: "train/a/1.png")
        try directory.write(Array(try Fixture.bytes("images/420.jpg").dropLast(9)), to: "train/b/2.jpg")
        let dataset = try DatasetKind.open(directory: directory.path, split: .train).dataset
        let report = DatasetReport(verifying: dataset)
        #expect(report.countPerClass == [1, 1])
        #expect(report.failures.map(\.index) == [1])
        #expect(report.failures[0].reason.contains("train/b/2.jpg"))
        #expect(report.countPerSize == [ImageSize(height: 13, width: 19): 1])
    }

    /// Of files no more is decoded than a sample shows; that must not be seen.
    @Test(arguments: ["444.jpg", "422.jpg", "420.jpg", "progressive.jpg", "grey.jpg", "rgb.png"])
    func samplesOfFilesAreThoseOfWholeImages(name: String) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(try Fixture.bytes("images/large/\(name)"), to: "train/a/1.\(name.suffix(3))")
        let dataset = try DatasetKind.open(directory: directory.path, split: .train).dataset
        let image = try ImageDecoder.read(path)
        let small = ImageSize(height: 24, width: 32)
        let pipelines: [[AugmentationStep]] = [
            [.randomResizedCrop(size: small), .horizontalFlip()], [.horizontalFlip(), .randomResizedCrop(size: small)],
            [.padAndCrop(padding: 40, size: small), .horizontalFlip()],
            [.preprocessing(.centerCrop(small)), .colorJitter(ColorJitter(brightness: 0.5))],
            [.preprocessing(.resize(shorterSide: 30)), .preprocessing(.centerCrop(small))],
        ]
        for steps in pipelines {
            let augmentation = Augmentation(steps, normalization: identity(channels: 3))
            for epoch in 0..<20 {
                let loader = try Loader(
                    dataset, order: [0], augmentation: augmentation, seed: 1, epoch: epoch, options: .init(batchSize: 1)
                )
                let whole = try apply(augmentation, to: image, epoch: UInt64(epoch))
                #expect(try loader.next()?.images == whole, "\(steps) \(epoch)")
            }
        }
    }

    /// The image is smaller than the crop: that is wrong with the file, and no request that could be put otherwise.
    @Test func anImageThatDoesNotSuitIsAnErrorOfItsFile() throws {
        let directory = try TemporaryDirectory()
        try directory.write(try Fixture.bytes("images/rgb.png"), to: "train/a/1.png")
        let dataset = try DatasetKind.open(directory: directory.path, split: .train).dataset
        let crop = AugmentationStep.padAndCrop(padding: 0, size: ImageSize(height: 64, width: 64))
        let loader = try Loader(
            dataset, order: [0], augmentation: Augmentation([crop], normalization: identity(channels: 3)), seed: 1,
            epoch: 0, options: .init(batchSize: 1))
        let error = #expect(throws: FormatError.self) { try loader.next() }
        #expect(error?.file.hasSuffix("train/a/1.png") == true)
    }
}
