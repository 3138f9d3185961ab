/// What a checkpoint holds: the pickled value, and where in the file the storages of its tensors lie.
struct PyTorchContents {
    let root: PickleValue
    let storages: [String: Extent]

    /// A storage's bytes.
    struct Extent {
        let offset: Int
        let byteCount: Int
        /// Nil where the format keeps none.
        let checksum: UInt32?
    }

    /// The longest pickle that is read. The tensors are not in it: those of the largest networks take a few MB.
    static let pickleSizeLimit = 16 << 20
}

/// Reads tensors from their storages. Two that are the same view of one storage share their memory.
struct PyTorchStorageReader {
    private let file: InputFile
    private let storages: [String: PyTorchContents.Extent]
    private let budget: MemoryBudget
    private var verified: Set<String> = []
    private var tensors: [PyTorchTensor: StoredTensor] = [:]

    init(file: InputFile, storages: [String: PyTorchContents.Extent], budget: MemoryBudget) {
        self.file = file
        self.storages = storages
        self.budget = budget
    }

    /// The file, as errors name it.
    var path: String { file.path }

    /// The elements of `tensor`, which is called `name` in errors.
    ///
    /// Throws: `FormatError` if the storage is missing, has another size or a wrong checksum.
    mutating func read(_ tensor: PyTorchTensor, name: String) throws -> StoredTensor {
        if let known = tensors[tensor] { return known }
        let key = tensor.storage.key
        guard let extent = storages[key] else {
            throw failure("tensor \(JSONText.quoted(name)): expected its storage \(JSONText.quoted(key)), found none")
        }
        let byteCount = tensor.storage.count * tensor.storage.type.byteCount
        guard extent.byteCount == byteCount else {
            throw FormatError(
                file: file.path, offset: extent.offset,
                reason: "expected a storage of \(byteCount) bytes, found \(extent.byteCount)")
        }
        if let checksum = extent.checksum, verified.insert(key).inserted {
            try CRC32.check(file, from: extent.offset, count: extent.byteCount, against: checksum)
        }
        try budget.charge(512)
        try budget.charge(tensor.memoryByteCount)
        try budget.charge(reading: tensor.layout.span.count * tensor.type.byteCount)
        let result = try StoredTensor(tensor.type, tensor.layout, of: file, at: extent.offset)
        tensors[tensor] = result
        return result
    }

    private func failure(_ reason: String) -> FormatError { FormatError(file: file.path, reason: reason) }
}
