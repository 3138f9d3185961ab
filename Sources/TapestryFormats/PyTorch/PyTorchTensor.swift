import TapestryCore

/// A tensor as a checkpoint's pickle describes it: a view of a storage that lies elsewhere in the file.
struct PyTorchTensor: Hashable {
    let storage: PyTorchStorage
    let type: StoredType
    /// In elements of `type`, from the storage's beginning.
    let layout: StridedLayout

    /// What `value` describes, parameters unwrapped; nil if it is no tensor.
    ///
    /// Throws: `FormatError` if it is one and does not lie in its storage, or is of a kind that is not read.
    init?(_ value: PickleValue, file: String) throws {
        guard case .object(let object) = value, let name = object.calleeName else { return nil }
        let arguments = object.arguments.values
        func failure(_ reason: String) -> FormatError {
            FormatError(file: file, offset: object.offset, reason: reason)
        }
        switch (name, arguments.count) {
        case ("torch._utils._rebuild_parameter", 3), ("torch._utils._rebuild_parameter_with_state", 4),
            ("torch.nn.parameter.Parameter", 1...2):
            guard case .object(let data) = arguments[0], data.calleeName?.contains("_rebuild_tensor") == true,
                let tensor = try PyTorchTensor(arguments[0], file: file)
            else { throw failure("expected a tensor as parameter, found \(arguments[0])") }
            self = tensor
        case ("torch._utils._rebuild_tensor", 4):
            try self.init(arguments, type: nil, failure: failure)
        case ("torch._utils._rebuild_tensor_v2", 6...7):
            try Self.checkMarks(arguments.dropFirst(6).first, failure: failure)
            try self.init(arguments, type: nil, failure: failure)
        case ("torch._utils._rebuild_tensor_v3", 7...8):
            guard case .global(let global) = arguments[6], let type = PyTorchGlobals.elementType(global) else {
                throw failure("expected an element type, found \(arguments[6])")
            }
            try Self.checkMarks(arguments.dropFirst(7).first, failure: failure)
            try self.init(arguments, type: type, failure: failure)
        default:
            guard !name.hasPrefix("torch._utils.") else {
                throw failure("expected the arguments of \(name), found \(arguments.count)")
            }
            return nil
        }
    }

    /// From the arguments of a rebuilding function: storage, offset, size, stride, and others that do not matter.
    private init(_ arguments: [PickleValue], type: StoredType?, failure: (String) -> FormatError) throws {
        guard case .external(let identifier) = arguments[0], let storage = PyTorchStorage(identifier) else {
            throw failure("expected a storage, found \(arguments[0])")
        }
        guard case .integer(let offset) = arguments[1], let sizes = Self.integers(arguments[2]),
            let strides = Self.integers(arguments[3])
        else {
            throw failure(
                "expected an offset, and sizes and strides of at most \(StridedLayout.largestRank) dimensions")
        }
        let elementType = type ?? storage.type
        let window = storage.window(in: elementType)
        guard let window, offset >= 0 else {
            throw failure("expected an offset in a storage of whole elements, found \(offset)")
        }
        let layout = try StridedLayout(
            sizes: sizes, strides: strides, offset: offset, within: window.count, failure: failure)
        self.storage = storage
        self.type = elementType
        self.layout = layout.moved(by: window.lowerBound)
    }

    /// Refuses values that are to be conjugated or negated once they are read.
    private static func checkMarks(_ marks: PickleValue?, failure: (String) -> FormatError) throws {
        switch marks {
        case nil, .some(.none): return
        case .dictionary(let marks):
            let areFalse = marks.pairs.prefix(8).allSatisfy {
                if case .boolean(false) = $0.value { true } else { false }
            }
            if areFalse && marks.pairs.count <= 8 { return }
        default: break
        }
        throw failure("expected values as they are, found some that are to be conjugated or negated")
    }

    /// What the tensor takes in memory.
    var memoryByteCount: Int {
        let (product, overflow) = layout.shape.count.multipliedReportingOverflow(by: type.memoryByteCount)
        return overflow ? .max : product
    }

    /// A tuple of integers, as it is or as `torch.Size`.
    private static func integers(_ value: PickleValue) -> [Int]? {
        switch value {
        case .tuple(let tuple), .list(let tuple):
            guard tuple.values.count <= StridedLayout.largestRank else { return nil }
            var integers: [Int] = []
            integers.reserveCapacity(tuple.values.count)
            for element in tuple.values {
                guard case .integer(let integer) = element else { return nil }
                integers.append(integer)
            }
            return integers
        case .object(let object):
            guard object.calleeName == "torch.Size", let first = object.arguments.values.first else { return nil }
            guard case .tuple = first else { return nil }
            return integers(first)
        default: return nil
        }
    }
}

/// A storage as a pickle refers to it: `('storage', class, key, location, count[, view])`. Where it was, on a GPU or not,
/// does not matter: it is read into the host's memory.
struct PyTorchStorage: Hashable {
    let key: String
    let type: StoredType
    /// Of elements of `type`.
    let count: Int
    /// Which of them are a view's; all where there is none.
    let view: Range<Int>

    /// Nil for a reference to anything else.
    init?(_ identifier: PickleSequence) {
        let parts = identifier.values
        guard (5...6).contains(parts.count), parts[0].isText("storage"), case .global(let global) = parts[1],
            let type = PyTorchGlobals.storageType(global), let key = parts[2].text(limit: 200),
            parts[3].text(limit: 200) != nil,
            case .integer(let count) = parts[4], count >= 0,
            !count.multipliedReportingOverflow(by: type.byteCount).overflow
        else { return nil }
        self.key = key
        self.type = type
        self.count = count
        guard parts.count == 6, case .tuple(let view) = parts[5] else {
            if parts.count == 6, case .none = parts[5] {} else if parts.count == 6 { return nil }
            self.view = 0..<count
            return
        }
        guard view.values.count == 3, case .integer(let offset) = view.values[1],
            case .integer(let size) = view.values[2],
            offset >= 0, size >= 0, offset <= count, size <= count - offset
        else { return nil }
        self.view = offset..<offset + size
    }

    /// The view in elements of another type; nil if that has no whole number of them.
    func window(in other: StoredType) -> Range<Int>? {
        if other.byteCount == type.byteCount { return view }
        let (start, end) = (view.lowerBound * type.byteCount, view.upperBound * type.byteCount)
        guard start.isMultiple(of: other.byteCount), end.isMultiple(of: other.byteCount) else { return nil }
        return start / other.byteCount..<end / other.byteCount
    }
}
