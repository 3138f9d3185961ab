import Foundation

/// Reading CIFAR-10 and CIFAR-100, in their binary and python versions.
public enum CIFARImages {
    /// Reads a split from `directory`, which is the data set's folder itself or the one that holds it.
    ///
    /// A number of images other than the published one is accepted as long as every record is whole.
    /// Throws: `InputNotFound` if files are missing; `FormatError` if one is empty, cut short or otherwise damaged.
    public static func read(_ variant: CIFARVariant, directory: String, split: Split) throws -> LabelledImages {
        guard let source = source(of: variant, split: split, in: directory) else {
            throw InputNotFound(
                path: directory,
                remedy: "expected \(variant.files(of: split).joined(separator: ", ")), or the folder "
                    + "\(variant.folder) or \(variant.pythonFolder) with the files of the binary or the python version")
        }
        var pixels: [UInt8] = []
        var labels: [UInt8] = []
        for name in source.isPython ? variant.pythonFiles(of: split) : variant.files(of: split) {
            let path = "\(source.folder)/\(name)"
            let bytes = try InputFile.read(path, limit: fileSizeLimit)
            if source.isPython {
                try PythonCIFAR.append(bytes, file: path, variant: variant, pixels: &pixels, labels: &labels)
            } else {
                try appendRecords(bytes, file: path, variant: variant, pixels: &pixels, labels: &labels)
            }
        }
        return LabelledImages(
            height: CIFARVariant.side, width: CIFARVariant.side, channels: CIFARVariant.channels, pixels: pixels,
            labels: labels, classNames: try classNames(variant, folder: source.folder, isPython: source.isPython))
    }

    /// Parses one binary file's bytes; `file` names it in errors.
    ///
    /// Throws: `FormatError` if it is empty, not a whole number of records, or holds a label out of range.
    public static func parse(_ bytes: [UInt8], file: String, variant: CIFARVariant) throws -> LabelledImages {
        var pixels: [UInt8] = []
        var labels: [UInt8] = []
        try appendRecords(bytes, file: file, variant: variant, pixels: &pixels, labels: &labels)
        return LabelledImages(
            height: CIFARVariant.side, width: CIFARVariant.side, channels: CIFARVariant.channels, pixels: pixels,
            labels: labels, classNames: variant.classNames)
    }

    /// Parses one python file's bytes, a pickle; `file` names it in errors.
    ///
    /// Throws: `FormatError` if it is not the pickle of such a batch.
    public static func parsePython(_ bytes: [UInt8], file: String, variant: CIFARVariant) throws -> LabelledImages {
        var pixels: [UInt8] = []
        var labels: [UInt8] = []
        try PythonCIFAR.append(bytes, file: file, variant: variant, pixels: &pixels, labels: &labels)
        return LabelledImages(
            height: CIFARVariant.side, width: CIFARVariant.side, channels: CIFARVariant.channels, pixels: pixels,
            labels: labels, classNames: variant.classNames)
    }

    /// Whether `directory` holds (or is) the variant's folder, in either version.
    package static func contains(_ variant: CIFARVariant, split: Split, directory: String) -> Bool {
        source(of: variant, split: split, in: directory) != nil
    }

    /// Ten times the largest published file.
    private static let fileSizeLimit = 1_600_000_000

    /// The folder whose first file of the split exists. Both variants' python test files have distinct names, but
    /// CIFAR-100's are the common words "train" and "test": its folder must also hold the file of names.
    private static func source(
        of variant: CIFARVariant, split: Split, in directory: String
    ) -> (folder: String, isPython: Bool)? {
        func exists(_ path: String) -> Bool {
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
        }
        for folder in [directory, "\(directory)/\(variant.folder)"]
        where exists("\(folder)/\(variant.files(of: split)[0])") {
            return (folder, false)
        }
        for folder in [directory, "\(directory)/\(variant.pythonFolder)"]
        where exists("\(folder)/\(variant.pythonFiles(of: split)[0])")
            && exists("\(folder)/\(variant.pythonClassNamesFile)")
        {
            return (folder, true)
        }
        return nil
    }

    private static func appendRecords(
        _ bytes: [UInt8], file: String, variant: CIFARVariant, pixels: inout [UInt8], labels: inout [UInt8]
    ) throws {
        let recordCount = variant.labelByteCount + CIFARVariant.pixelCount
        guard !bytes.isEmpty else {
            throw FormatError(
                file: file, offset: 0, reason: "expected records of \(recordCount) bytes, found an empty file")
        }
        guard bytes.count.isMultiple(of: recordCount) else {
            throw FormatError(
                file: file, offset: bytes.count - bytes.count % recordCount,
                reason: "expected a whole record of \(recordCount) bytes, found \(bytes.count % recordCount)")
        }
        let count = bytes.count / recordCount
        for index in 0..<count {
            let offset = index * recordCount + variant.labelByteCount - 1
            guard bytes[offset] < variant.classCount else {
                throw FormatError(
                    file: file, offset: offset,
                    reason: "expected a label below \(variant.classCount), found \(bytes[offset])")
            }
            labels.append(bytes[offset])
        }
        appendInterleaved(bytes[...], from: variant.labelByteCount, stride: recordCount, count: count, to: &pixels)
    }

    /// Appends `count` images, turned from planes (channels x height x width) to pixels (height x width x channels).
    /// Preconditions: `bytes` holds an image of `CIFARVariant.pixelCount` bytes every `stride` from `start` on.
    static func appendInterleaved(
        _ bytes: ArraySlice<UInt8>, from start: Int, stride: Int, count: Int, to pixels: inout [UInt8]
    ) {
        let plane = CIFARVariant.side * CIFARVariant.side
        precondition(count == 0 || start + (count - 1) * stride + 3 * plane <= bytes.count)
        let end = pixels.count
        // In place, for the images of a file are as large as the file.
        pixels.append(contentsOf: repeatElement(0, count: count * 3 * plane))
        pixels.withUnsafeMutableBufferPointer { output in
            bytes.withUnsafeBufferPointer { input in
                for image in 0..<count {
                    let from = input.baseAddress! + start + image * stride
                    let to = output.baseAddress! + end + image * 3 * plane
                    for pixel in 0..<plane {
                        to[3 * pixel] = from[pixel]
                        to[3 * pixel + 1] = from[plane + pixel]
                        to[3 * pixel + 2] = from[2 * plane + pixel]
                    }
                }
            }
        }
    }

    private static func classNames(_ variant: CIFARVariant, folder: String, isPython: Bool) throws -> [String] {
        let path = "\(folder)/\(isPython ? variant.pythonClassNamesFile : variant.classNamesFile)"
        guard FileManager.default.fileExists(atPath: path) else { return variant.classNames }
        return try parseClassNames(
            try InputFile.read(path, limit: 1 << 20), file: path, variant: variant, isPython: isPython)
    }

    /// The class names in the bytes of one of the files that have them. `file` names them in errors.
    ///
    /// Throws: `FormatError`.
    package static func parseClassNames(
        _ bytes: [UInt8], file: String, variant: CIFARVariant, isPython: Bool
    ) throws -> [String] {
        guard !isPython else { return try PythonCIFAR.classNames(bytes, file: file, variant: variant) }
        let names = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
        guard names.count == variant.classCount else {
            throw FormatError(file: file, reason: "expected \(variant.classCount) class names, found \(names.count)")
        }
        return names
    }
}
