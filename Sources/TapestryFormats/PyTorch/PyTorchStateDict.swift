import TapestryCore

/// The tensors by name in what a checkpoint's pickle holds, and the plain values beside them.
///
/// A state dict stands alone, or in a dictionary under one of `wrappers`, or is made from a pickled network module by
/// walking its parameters, buffers and submodules.
struct PyTorchStateDict {
    private(set) var tensors: [(name: String, tensor: PyTorchTensor)] = []
    /// The scalars, strings and small tensors outside, by their keys joined by dots.
    private(set) var facts: [(path: String, value: PickleValue)] = []

    private let file: String
    private let budget: MemoryBudget

    /// The keys under which a checkpoint keeps its state dict or its network, the first one first.
    static let wrappers = ["state_dict", "model_state_dict", "model", "net"]

    /// Throws: `FormatError` if there is no state dict, or in it anything but tensors and scalars.
    init(root: PickleValue, file: String, budget: MemoryBudget) throws {
        self.file = file
        self.budget = budget
        try find(in: root, path: [])
        guard !tensors.isEmpty else { throw failure("expected tensors, found none") }
        // The name that DataParallel adds to all.
        let prefix = "module."
        if tensors.allSatisfy({ $0.name.hasPrefix(prefix) }) {
            tensors = tensors.map { (String($0.name.dropFirst(prefix.count)), $0.tensor) }
        }
        var names: Set<String> = []
        for (name, _) in tensors where !names.insert(name).inserted {
            throw failure("expected distinct names, found \(JSONText.quoted(name)) twice")
        }
    }

    private mutating func find(in value: PickleValue, path: [String]) throws {
        if let module = PyTorchModule(value) { return try add(module, prefix: "") }
        guard let entries = try value.entries(charging: budget) else {
            throw failure("expected a dictionary of tensors or a network module, found \(value)")
        }
        let places = Self.wrappers.lazy.compactMap { wrapper in
            entries.lastIndex { $0.key.isText(wrapper) && Self.mayHoldTensors($0.value) }
        }
        guard let place = places.first, path.count < Self.wrappers.count else {
            return try addStateDict(entries, path: path)
        }
        let name = entries[place].key.text ?? ""
        for (index, entry) in entries.enumerated() where index != place {
            try addFacts(entry.value, key: entry.key, path: path)
        }
        try find(in: entries[place].value, path: path + [name])
    }

    private static func mayHoldTensors(_ value: PickleValue) -> Bool {
        switch value {
        case .dictionary: true
        case .object(let object): object.calleeName == "collections.OrderedDict" || PyTorchModule(value) != nil
        default: false
        }
    }

    private mutating func addStateDict(_ entries: [(key: PickleValue, value: PickleValue)], path: [String]) throws {
        for (key, value) in entries {
            guard let name = key.text else { throw failure("expected names as keys, found \(key)") }
            if let tensor = try PyTorchTensor(value, file: file) {
                try add(tensor, name: name)
            } else if value.isScalar {
                try addFacts(value, key: key, path: path)
            } else {
                let known = Self.wrappers.joined(separator: ", ")
                throw failure(
                    "expected a tensor as \(JSONText.quoted(String(name.prefix(200)))), or a dictionary of them under one "
                        + "of \(known), found \(value)")
            }
        }
    }

    private mutating func add(_ tensor: PyTorchTensor, name: String) throws {
        // A tensor in many places is kept in each, with its sizes and strides.
        try budget.charge(384 + name.utf8.count + 16 * tensor.layout.shape.rank)
        tensors.append((name, tensor))
    }

    /// Adds a module's own tensors and then its submodules', in PyTorch's order and by its names.
    private mutating func add(_ module: PyTorchModule, prefix: String) throws {
        // A module may stand in many places, and so multiply at every level.
        try budget.charge(256 + prefix.utf8.count)
        let unsaved = try module.unsavedBuffers(budget: budget)
        for kind in ["_parameters", "_buffers"] {
            for (name, value) in try module.members(kind, file: file, budget: budget) {
                if case .none = value { continue }
                if kind == "_buffers" && unsaved.contains(name) { continue }
                guard let tensor = try PyTorchTensor(value, file: file) else {
                    throw failure("expected tensors in \(kind), found \(value)")
                }
                try add(tensor, name: prefix + name)
            }
        }
        for (name, value) in try module.members("_modules", file: file, budget: budget) {
            if case .none = value { continue }
            guard let child = PyTorchModule(value) else { throw failure("expected a network module, found \(value)") }
            try add(child, prefix: "\(prefix)\(name).")
        }
    }

    /// Adds a value outside the state dict, or those of a dictionary; lists and larger tensors are left out.
    private mutating func addFacts(_ value: PickleValue, key: PickleValue, path: [String]) throws {
        guard let name = key.text else { return }
        let path = path + [name]
        try budget.charge(path.reduce(256) { $0 + $1.utf8.count })
        if let entries = try value.entries(charging: budget) {
            for (key, value) in entries { try addFacts(value, key: key, path: path) }
        } else {
            facts.append((path.joined(separator: "."), value))
        }
    }

    private func failure(_ reason: String) -> FormatError { FormatError(file: file, reason: reason) }
}

/// A pickled `torch.nn.Module`: a class that is never looked up, and a state.
struct PyTorchModule {
    private let object: PickleObject
    private let state: PickleDictionary

    /// Nil for anything else.
    init?(_ value: PickleValue) {
        guard case .object(let object) = value, case .dictionary(let state)? = object.state,
            let type = Self.type(of: object), PyTorchGlobals.isModule(type.module)
        else { return nil }
        self.object = object
        self.state = state
    }

    /// The names and values of `_parameters`, `_buffers` or `_modules`.
    ///
    /// Throws: `FormatError`.
    func members(
        _ kind: String, file: String, budget: MemoryBudget
    ) throws -> [(name: String, value: PickleValue)] {
        try budget.charge(state.pairs.count * 4)
        guard let value = state[kind], let entries = try value.entries(charging: budget) else {
            throw FormatError(
                file: file, offset: object.offset, reason: "expected a module with a dictionary \(kind), found none")
        }
        return try entries.map { key, value in
            guard let name = key.text else {
                throw FormatError(
                    file: file, offset: object.offset, reason: "expected a name as key in \(kind), found \(key)")
            }
            try budget.charge(name.utf8.count)
            return (name, value)
        }
    }

    /// The names of the buffers that a state dict leaves out.
    ///
    /// Throws: `FormatError`.
    func unsavedBuffers(budget: MemoryBudget) throws -> Set<String> {
        let names: PickleSequence
        switch state["_non_persistent_buffers_set"] {
        case .set(let values): names = values
        case .object(let object):
            // A set in protocol 2: a call with a list.
            guard case .list(let values)? = object.arguments.values.first else { return [] }
            names = values
        default: return []
        }
        var result: Set<String> = []
        for value in names.values {
            guard let name = value.text else { continue }
            try budget.charge(64 + name.utf8.count)
            result.insert(name)
        }
        return result
    }

    /// The class, named outright or as a module whose source is saved with it: `('module', class, file, source)`.
    private static func type(of object: PickleObject) -> PickleGlobal? {
        switch object.callee {
        case .global(let global): return global
        case .external(let identifier):
            let parts = identifier.values
            guard parts.count == 4, parts[0].isText("module"), case .global(let global) = parts[1] else { return nil }
            return global
        default: return nil
        }
    }
}

extension PickleValue {
    /// The entries of a dictionary or an `OrderedDict`; nil for anything else.
    ///
    /// Going through them is charged, lest one that stands in many places costs its time in each.
    fileprivate func entries(
        charging budget: MemoryBudget
    ) throws -> [(key: PickleValue, value: PickleValue)]? {
        switch self {
        case .dictionary(let dictionary):
            try budget.charge(dictionary.pairs.count * 16)
            return dictionary.pairs
        case .object(let object):
            guard object.calleeName == "collections.OrderedDict" else { return nil }
            try budget.charge(object.entries.pairs.count * 16)
            guard let initial = object.arguments.values.first else { return object.entries.pairs }
            // Python 2 gives its entries to the call, as a list of pairs.
            guard case .list(let list) = initial else { return nil }
            try budget.charge(list.values.count * 32)
            var entries: [(key: PickleValue, value: PickleValue)] = []
            for element in list.values {
                switch element {
                case .list(let pair), .tuple(let pair):
                    guard pair.values.count == 2 else { return nil }
                    entries.append((pair.values[0], pair.values[1]))
                default: return nil
                }
            }
            return entries + object.entries.pairs
        default: return nil
        }
    }

    fileprivate var isScalar: Bool {
        switch self {
        case .none, .boolean, .integer, .float, .bytes, .text: true
        default: false
        }
    }
}
