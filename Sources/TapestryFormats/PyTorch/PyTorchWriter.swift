import TapestryCore

extension PyTorchCheckpoint {
    /// Writes a state dict that python's `torch.load(path, weights_only=True)` reads: an `OrderedDict` of the tensors in the
    /// order given, in a zip file with each storage at a multiple of 64 bytes; within a dictionary if `key` is given
    /// (`state_dict`), with `facts` beside it by key. The file is written whole or not at all, and the same tensors and
    /// facts always give the same bytes.
    ///
    /// Preconditions: names are distinct; facts come with a key, which is none of theirs. Throws: `WriteError`.
    public static func write(
        _ tensors: [NamedTensor], to path: String, under key: String? = nil, facts: [String: String] = [:]
    ) throws {
        precondition(Set(tensors.map(\.name)).count == tensors.count, "two tensors have one name")
        precondition(facts.isEmpty || key.map { facts[$0] == nil } == true, "facts have no dictionary, or its one key")
        let pickle = pickle(tensors, under: key, facts: facts)
        try AtomicFile.write(to: path) { file in
            var zip = ZipWriter()
            let root = "archive"
            try zip.append("\(root)/data.pkl", pickle, to: file)
            try zip.append("\(root)/byteorder", Array("little".utf8), to: file)
            for (index, entry) in tensors.enumerated() {
                // A loop instead of a closure in a closure: the writer is changed and the file is borrowed.
                try entry.tensor.withBytes { try zip.append("\(root)/data/\(index)", $0, to: file) }
            }
            try zip.append("\(root)/version", Array("3\n".utf8), to: file)
            try zip.finish(file)
        }
    }

    /// Pickle protocol 2, which every version of PyTorch reads.
    private static func pickle(_ tensors: [NamedTensor], under key: String?, facts: [String: String]) -> [UInt8] {
        var writer = PickleWriter()
        writer.begin()
        if let key {
            writer.append("}")
            for (name, fact) in facts.sorted(by: { $0.key < $1.key }) {
                writer.append(text: name)
                writer.append(text: fact)
                writer.append("s")
            }
            writer.append(text: key)
        }
        writer.append("ccollections\nOrderedDict\n)R(")
        for (index, entry) in tensors.enumerated() {
            writer.append(text: entry.name)
            writer.append("ctorch._utils\n_rebuild_tensor_v2\n(")
            writer.append("(")
            writer.append(text: "storage")
            writer.append("ctorch\n\(storageClass(entry.tensor))\n")
            writer.append(text: String(index))
            writer.append(text: "cpu")
            writer.append(integer: entry.tensor.shape.count)
            // The storage, from element 0 on; its size and stride; no gradient, no hooks.
            writer.append("tQ")
            writer.append(integer: 0)
            writer.append(tuple: entry.tensor.shape.dimensions)
            writer.append(tuple: StridedLayout(rowMajor: entry.tensor.shape).strides)
            writer.append(boolean: false)
            writer.append("ccollections\nOrderedDict\n)RtR")
        }
        writer.append("u")
        if key != nil { writer.append("s") }
        writer.append(".")
        return writer.bytes
    }

    private static func storageClass(_ tensor: StoredTensor) -> String {
        switch tensor {
        case .float32: "FloatStorage"
        case .int64: "LongStorage"
        case .int32: "IntStorage"
        case .int16: "ShortStorage"
        case .int8: "CharStorage"
        case .uint8: "ByteStorage"
        case .bool: "BoolStorage"
        }
    }
}
