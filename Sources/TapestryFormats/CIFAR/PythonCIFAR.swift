/// The python versions of CIFAR: a pickled dictionary with the images as rows of a numpy array.
enum PythonCIFAR {
    /// Appends one batch's images and labels.
    ///
    /// Throws: `FormatError`.
    static func append(
        _ bytes: [UInt8], file: String, variant: CIFARVariant, pixels: inout [UInt8], labels: inout [UInt8]
    ) throws {
        let budget = MemoryBudget(file: file, size: bytes.count)
        let batch = try dictionary(bytes, file: file, budget: budget)
        guard let value = batch["data"], let data = try NumpyPickle.byteArray(value, budget: budget),
            data.shape.count == 2, data.shape[1] == CIFARVariant.pixelCount
        else {
            throw FormatError(
                file: file,
                reason: "expected 'data', a uint8 array of rows of \(CIFARVariant.pixelCount), found another value")
        }
        let count = data.shape[0]
        guard count > 0 else { throw FormatError(file: file, reason: "expected images, found an empty array") }
        guard case .list(let values)? = batch[variant.pythonLabelsKey], values.values.count == count else {
            throw FormatError(
                file: file,
                reason: "expected '\(variant.pythonLabelsKey)', a list of \(count) labels, found another value")
        }
        for (index, value) in values.values.enumerated() {
            guard case .integer(let label) = value, (0..<variant.classCount).contains(label) else {
                throw FormatError(
                    file: file,
                    reason: "expected label \(index) to be an integer below \(variant.classCount), found \(value)")
            }
            labels.append(UInt8(label))
        }
        CIFARImages.appendInterleaved(
            data.bytes, from: 0, stride: CIFARVariant.pixelCount, count: count, to: &pixels)
    }

    /// The class names of a batches.meta or meta file.
    ///
    /// Throws: `FormatError`.
    static func classNames(_ bytes: [UInt8], file: String, variant: CIFARVariant) throws -> [String] {
        let budget = MemoryBudget(file: file, size: bytes.count)
        let contents = try dictionary(bytes, file: file, budget: budget)
        guard case .list(let values)? = contents[variant.pythonClassNamesKey] else {
            throw FormatError(
                file: file, reason: "expected '\(variant.pythonClassNamesKey)', a list, found another value")
        }
        // Their number first, and no long one: a string may stand in the list over and over.
        guard values.values.count == variant.classCount else {
            throw FormatError(
                file: file, reason: "expected \(variant.classCount) class names, found \(values.values.count)")
        }
        return try values.values.map { value in
            guard let name = value.text(limit: 1000) else {
                throw FormatError(file: file, reason: "expected a class name, found \(value)")
            }
            return name
        }
    }

    /// The pickles of CIFAR are shallow, and name nothing but what rebuilds an array.
    private static let dialect = PickleDialect(
        purpose: "a numpy array's constructor", deepest: 8, allows: NumpyPickle.allows)

    private static func dictionary(
        _ bytes: [UInt8], file: String, budget: MemoryBudget
    ) throws -> PickleDictionary {
        var reader = ByteReader(file: file, bytes: bytes)
        let value = try PickleReader.read(&reader, dialect: dialect, budget: budget).root
        guard reader.remaining == 0 else { throw reader.error("expected the end of the file, found more bytes") }
        guard case .dictionary(let entries) = value else {
            throw FormatError(file: file, reason: "expected a pickled dictionary, found \(value)")
        }
        for (key, _) in entries.pairs where key.text(limit: 1000) == nil {
            throw FormatError(file: file, reason: "expected a string as key, found \(key)")
        }
        return entries
    }
}
