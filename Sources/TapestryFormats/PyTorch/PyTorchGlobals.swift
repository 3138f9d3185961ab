/// The names that the pickles of PyTorch's checkpoints use. None is looked up or called.
enum PyTorchGlobals {
    /// Modules in modules take about five levels each.
    static let dialect = PickleDialect(
        purpose: "a constructor of tensors, containers or network modules", deepest: 128, allows: allows)

    /// The element type of a storage class; untyped storages count bytes.
    static func storageType(_ global: PickleGlobal) -> StoredType? {
        guard ["torch", "torch.cuda", "torch.storage"].contains(global.module) else { return nil }
        return storageTypes[global.name]
    }

    /// The element type that an object such as `torch.float32` names.
    static func elementType(_ global: PickleGlobal) -> StoredType? {
        global.module == "torch" ? elementTypes[global.name] : nil
    }

    /// Whether it is a class of network modules, or something else of theirs.
    static func isModule(_ module: String) -> Bool {
        ["models", "torch.nn"].contains { module == $0 || module.hasPrefix("\($0).") }
    }

    private static let storageTypes: [String: StoredType] = [
        "FloatStorage": .float32, "DoubleStorage": .float64, "HalfStorage": .float16, "BFloat16Storage": .bfloat16,
        "LongStorage": .int64, "IntStorage": .int32, "ShortStorage": .int16, "CharStorage": .int8,
        "ByteStorage": .uint8, "BoolStorage": .bool, "UntypedStorage": .uint8,
    ]

    private static let elementTypes: [String: StoredType] = [
        "float32": .float32, "float64": .float64, "float16": .float16, "bfloat16": .bfloat16, "int64": .int64,
        "int32": .int32, "int16": .int16, "int8": .int8, "uint8": .uint8, "bool": .bool,
    ]

    private static let functions: [String: Set<String>] = [
        "collections": ["OrderedDict"],
        "torch._utils": [
            "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
            "_rebuild_parameter_with_state",
        ],
        "torch": ["Size", "device"],
        "torch.storage": ["TypedStorage"],
        // Python 3 writes the first name in protocol 2, as python 2 does.
        "__builtin__": ["set", "frozenset", "bytes", "bytearray"],
        "builtins": ["set", "frozenset", "bytes", "bytearray"],
    ]

    @Sendable private static func allows(module: String, name: String) -> Bool {
        let global = PickleGlobal(module: module, name: name)
        return functions[module]?.contains(name) == true || storageType(global) != nil || elementType(global) != nil
            || isModule(module) || NumpyPickle.allows(module: module, name: name)
    }
}
