import Foundation

/// MNIST and the data sets laid out as it is: two IDX files, of images and of labels, for each split.
public enum IDXImages {
    public static let digitNames = (0...9).map(String.init)

    public static let fashionNames = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
    ]

    /// The path of a split's images or labels in `directory`, gzipped or not; nil if there is none.
    package static func path(of split: Split, images: Bool, in directory: String) -> String? {
        let stem = (split == .train ? "train" : "t10k") + (images ? "-images" : "-labels")
        let suffix = images ? "idx3-ubyte" : "idx1-ubyte"
        let names = ["\(stem)-\(suffix)", "\(stem)-\(suffix).gz", "\(stem).\(suffix)"]
        return names.map { "\(directory)/\($0)" }.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// Reads a split's grey images (count x height x width) and labels.
    ///
    /// Throws: `InputNotFound` if either file is missing; `FormatError` if one is damaged, empty, or does not go with
    /// the other.
    public static func read(directory: String, split: Split, classNames: [String]) throws -> LabelledImages {
        guard let imagesPath = path(of: split, images: true, in: directory),
            let labelsPath = path(of: split, images: false, in: directory)
        else {
            let stem = split == .train ? "train" : "t10k"
            throw InputNotFound(
                path: directory, remedy: "expected \(stem)-images-idx3-ubyte[.gz] and \(stem)-labels-idx1-ubyte[.gz]")
        }
        let images = try IDXFile.read(imagesPath, rank: 3)
        let labels = try IDXFile.read(labelsPath, rank: 1)
        guard images.dimensions.allSatisfy({ $0 > 0 }) else {
            throw FormatError(file: imagesPath, offset: 4, reason: "expected at least one pixel, found an empty array")
        }
        guard labels.dimensions[0] == images.dimensions[0] else {
            throw FormatError(
                file: labelsPath, offset: 4,
                reason: "expected \(images.dimensions[0]) labels, one for each image, found \(labels.dimensions[0])")
        }
        if let index = labels.bytes.firstIndex(where: { Int($0) >= classNames.count }) {
            throw FormatError(
                file: labelsPath, offset: 8 + index,
                reason: "expected a label below \(classNames.count), found \(labels.bytes[index])")
        }
        return LabelledImages(
            height: images.dimensions[1], width: images.dimensions[2], channels: 1, pixels: images.bytes,
            labels: labels.bytes, classNames: classNames)
    }
}
