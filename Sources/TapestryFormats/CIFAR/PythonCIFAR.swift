/// The python versions of CIFAR: a pickled dictionary with the images as rows of a numpy array.
enum PythonCIFAR {
    /// Appends one batch's images and labels.
    ///
    /// Throws: `FormatError`.
    static func append(
        _ bytes: [UInt8], file: String, variant: CIFARVariant, pixels: inout [UInt8], labels: inout [UInt8]
    ) throws {
        let batch = try dictionary(bytes, file: file)
        guard case .array(let shape, let data)? = batch["data"], shape.count == 2, shape[1] == CIFARVariant.pixelCount
        else {
            throw FormatError(
                file: file,
                reason: "expected 'data', a uint8 array of rows of \(CIFARVariant.pixelCount), found another value")
        }
        guard shape[0] > 0 else { throw FormatError(file: file, reason: "expected images, found an empty array") }
        guard case .list(let values)? = batch[variant.pythonLabelsKey], values.count == shape[0] else {
            throw FormatError(
                file: file,
                reason: "expected '\(variant.pythonLabelsKey)', a list of \(shape[0]) labels, found another value")
        }
        for (index, value) in values.enumerated() {
            guard case .integer(let label) = value, (0..<variant.classCount).contains(label) else {
                throw FormatError(
                    file: file,
                    reason: "expected label \(index) to be an integer below \(variant.classCount), found \(value)")
            }
            labels.append(UInt8(label))
        }
        CIFARImages.appendInterleaved(
            data, from: 0, stride: CIFARVariant.pixelCount, count: shape[0], to: &pixels)
    }

    /// The class names of a batches.meta or meta file.
    ///
    /// Throws: `FormatError`.
    static func classNames(_ bytes: [UInt8], file: String, variant: CIFARVariant) throws -> [String] {
        guard case .list(let values)? = try dictionary(bytes, file: file)[variant.pythonClassNamesKey] else {
            throw FormatError(
                file: file, reason: "expected '\(variant.pythonClassNamesKey)', a list, found another value")
        }
        return try values.map { value in
            guard let name = value.text else {
                throw FormatError(file: file, reason: "expected a class name, found \(value)")
            }
            return name
        }
    }

    private static func dictionary(_ bytes: [UInt8], file: String) throws -> [String: PickleValue] {
        var reader = PickleReader(file: file, bytes: bytes)
        guard case .dictionary(let entries) = try reader.read() else {
            throw FormatError(file: file, reason: "expected a pickled dictionary, found another value")
        }
        return entries
    }
}
