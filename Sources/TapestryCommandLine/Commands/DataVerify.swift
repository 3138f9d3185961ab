import ArgumentParser
import TapestryData
import TapestryFormats

struct DataVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read every image of a data set, and say what is there.",
        discussion: """
            Reports images per class, sizes, and each channel's mean and deviation (of pixels in 0...1). Exits with 65 \
            where a file is damaged.

            Examples:
              tapestry data verify --data ~/cifar
              tapestry data verify --data /usr/share/datasets/fashion-mnist --json
            """)

    @Option(help: ArgumentHelp("The folder of the images.", valueName: "dir"), completion: .directory)
    var data: String

    @Option(help: "Which data set it is; by default what its files show.")
    var dataset: DatasetKind?

    @Flag(help: "Print one JSON document.")
    var json = false

    func run() throws {
        var splits: [SplitReport] = []
        for split in Split.allCases {
            Console.note("reading \(data), \(split.rawValue)")
            let (kind, images) = try DatasetKind.open(dataset, directory: data, split: split)
            splits.append(SplitReport(kind: kind, split: split, report: DatasetReport(verifying: images)))
        }
        try json ? Console.printJSON(splits) : Console.print(splits.map(\.text).joined(separator: "\n"))
        let failures = splits.flatMap { $0.failures }
        if let first = failures.first {
            throw CommandFailure(
                .badData, "\(data): \(failures.count) image(s) cannot be read, the first: \(first.reason)")
        }
    }
}

/// What verification found in one split.
private struct SplitReport: Encodable {
    struct ImageClass: Encodable {
        let name: String
        let images: Int
    }

    struct Size: Encodable {
        let height: Int
        let width: Int
        let images: Int
    }

    struct Failure: Encodable {
        let index: Int
        let reason: String
    }

    let dataset: String
    let split: String
    let images: Int
    let classes: [ImageClass]
    let sizes: [Size]
    let mean: [Double]
    let std: [Double]
    let failures: [Failure]

    init(kind: DatasetKind, split: Split, report: DatasetReport) {
        dataset = kind.rawValue
        self.split = split.rawValue
        images = report.count
        classes = zip(report.classNames, report.countPerClass).map { ImageClass(name: $0, images: $1) }
        sizes = report.countPerSize.map { Size(height: $0.height, width: $0.width, images: $1) }
            .sorted { ($0.images, $0.height, $0.width) > ($1.images, $1.height, $1.width) }
        mean = report.mean
        std = report.standardDeviation
        failures = report.failures.map { Failure(index: $0.index, reason: $0.reason) }
    }

    /// Classes and sizes in full where they are few, otherwise their range.
    var text: String {
        let perClass = classes.map(\.images)
        var lines = "\(dataset), \(split): \(images.grouped) images in \(classes.count) classes, "
        lines += "\((perClass.min() ?? 0).grouped) to \((perClass.max() ?? 0).grouped) each"
        if let size = sizes.first {
            lines += sizes.count == 1 ? ", all \(size.height)x\(size.width)" : ", of \(sizes.count) sizes"
        }
        func numbers(_ values: [Double]) -> String { values.map { $0.significant(4) }.joined(separator: " ") }
        lines += "\n  mean \(numbers(mean)), deviation \(numbers(std))\n"
        for failure in failures.prefix(10) { lines += "  image \(failure.index): \(failure.reason)\n" }
        if classes.count <= 20 {
            var table = Table(("class", .left), ("images", .right))
            for entry in classes { table.append(entry.name, entry.images.grouped) }
            lines += table.text
        }
        return lines
    }
}
