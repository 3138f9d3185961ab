/// PyTorch's format before 1.6: pickles of a magic number, the protocol's version, facts of the machine, the value itself
/// and the list of its storages' keys; then, for each key, the number of elements (64 bits) and the elements.
///
/// Source: `_legacy_save` in PyTorch's torch/serialization.py.
enum PyTorchLegacyFormat {
    /// Throws: `FormatError`.
    static func contents(of file: InputFile, budget: MemoryBudget) throws -> PyTorchContents {
        let headCount = min(file.size, PyTorchContents.pickleSizeLimit)
        try budget.charge(headCount)
        var head = ByteReader(file: file.path, bytes: try file.bytes(at: 0, count: headCount))
        func next() throws -> (pickle: Pickle, offset: Int) {
            let offset = head.offset
            return (try PickleReader.read(&head, dialect: PyTorchGlobals.dialect, budget: budget), offset)
        }
        let magic = try next()
        guard case .wideInteger(let bytes) = magic.pickle.root, bytes.bytes.elementsEqual(magicNumber) else {
            throw head.error("expected PyTorch's magic number, found \(magic.pickle.root)", at: magic.offset)
        }
        let version = try next()
        guard case .integer(protocolVersion) = version.pickle.root else {
            throw head.error("expected version \(protocolVersion), found \(version.pickle.root)", at: version.offset)
        }
        let machine = try next()
        guard case .dictionary(let facts) = machine.pickle.root, case .boolean(true)? = facts["little_endian"] else {
            throw head.error("expected the facts of a little-endian machine, found others", at: machine.offset)
        }
        let value = try next()
        let keys = try next()
        guard case .list(let list) = keys.pickle.root else {
            throw head.error("expected a list of storage keys, found \(keys.pickle.root)", at: keys.offset)
        }
        let declared = try declaredStorages(value.pickle, budget: budget) { head.error($0, at: value.offset) }
        var names: [String] = []
        for key in list.values {
            guard let name = key.text, declared[name] != nil else {
                throw head.error("expected the key of a storage, found another value", at: keys.offset)
            }
            try budget.charge(256)
            names.append(name)
        }
        return PyTorchContents(
            root: value.pickle.root, storages: try locate(names, declared: declared, in: file, from: head.offset))
    }

    private static let magicNumber: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
    private static let protocolVersion = 1001

    /// The storages that the value refers to. It may also refer to the classes of modules.
    private static func declaredStorages(
        _ pickle: Pickle, budget: MemoryBudget, failure: (String) -> FormatError
    ) throws -> [String: PyTorchStorage] {
        var storages: [String: PyTorchStorage] = [:]
        for identifier in pickle.externals where identifier.values.first?.isText("module") != true {
            guard let storage = PyTorchStorage(identifier) else {
                throw failure("expected references to storages and modules, found another")
            }
            try budget.charge(256)
            if let other = storages[storage.key], (other.type, other.count) != (storage.type, storage.count) {
                throw failure("expected one type and size for storage \(JSONText.quoted(storage.key)), found two")
            }
            storages[storage.key] = storage
        }
        return storages
    }

    private static func locate(
        _ names: [String], declared: [String: PyTorchStorage], in file: InputFile, from start: Int
    ) throws -> [String: PyTorchContents.Extent] {
        var storages: [String: PyTorchContents.Extent] = [:]
        var offset = start
        for name in names {
            func failure(_ reason: String) -> FormatError {
                FormatError(
                    file: file.path, offset: offset, reason: "storage \(JSONText.quoted(name)): \(reason)")
            }
            guard let storage = declared[name], storages[name] == nil else {
                throw failure("expected it once, found it again")
            }
            guard file.size - offset >= 8 else {
                throw failure("expected its number of elements, found \(file.size - offset) bytes")
            }
            let count = try file.bytes(at: offset, count: 8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            guard count == UInt64(storage.count) else {
                throw failure("expected \(storage.count) elements, found \(count)")
            }
            offset += 8
            let byteCount = storage.count * storage.type.byteCount
            guard byteCount <= file.size - offset else {
                throw failure("expected \(byteCount) bytes, found \(file.size - offset)")
            }
            storages[name] = PyTorchContents.Extent(offset: offset, byteCount: byteCount, checksum: nil)
            offset += byteCount
        }
        guard offset == file.size else {
            throw FormatError(
                file: file.path, offset: offset,
                reason: "expected the end of the file after the last storage, found \(file.size - offset) more bytes")
        }
        return storages
    }
}
