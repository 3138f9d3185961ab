/// The arrays and scalars of numpy in a pickle, read without numpy.
enum NumpyPickle {
    /// The names by which a pickle says how to rebuild one.
    static func allows(module: String, name: String) -> Bool {
        switch (module, name) {
        case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
            ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"), ("numpy", "ndarray"),
            ("numpy", "dtype"), ("_codecs", "encode"):
            true
        default: false
        }
    }

    /// The shape and the row-major elements of an array of unsigned bytes; nil for anything else.
    ///
    /// Throws: `FormatError` if the bytes take too much memory.
    static func byteArray(
        _ value: PickleValue, budget: MemoryBudget
    ) throws -> (shape: [Int], bytes: ArraySlice<UInt8>)? {
        guard case .object(let object) = value, isCall(object, "_reconstruct"),
            case .global(let type)? = object.arguments.values.first, (type.module, type.name) == ("numpy", "ndarray"),
            case .tuple(let state)? = object.state, state.values.count == 5,
            case .tuple(let dimensions) = state.values[1], let element = elementType(state.values[2]),
            ["u1", "uint8"].contains(element.name), case .boolean(false) = state.values[3],
            let bytes = try state.values[4].bytes(charging: budget)
        else { return nil }
        var shape: [Int] = []
        var count = 1
        for dimension in dimensions.values {
            guard case .integer(let extent) = dimension, extent >= 0 else { return nil }
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            guard !overflow else { return nil }
            count = product
            shape.append(extent)
        }
        return count == bytes.count ? (shape, bytes) : nil
    }

    /// A number as numpy keeps it outside arrays, as the python number it equals; nil for anything else.
    ///
    /// Throws: as `byteArray`.
    static func scalar(_ value: PickleValue, budget: MemoryBudget) throws -> PickleValue? {
        guard case .object(let object) = value, isCall(object, "scalar"), object.arguments.values.count == 2,
            let element = elementType(object.arguments.values[0]), element.isLittleEndian,
            let bytes = try object.arguments.values[1].bytes(charging: budget),
            let kind = element.name.utf8.first, element.name.dropFirst() == String(bytes.count), bytes.count <= 8
        else { return nil }
        let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let unused = UInt64(64 - 8 * bytes.count)
        switch (kind, bytes.count) {
        case (UInt8(ascii: "f"), 8): return .float(Double(bitPattern: bits))
        case (UInt8(ascii: "f"), 4): return .float(Double(Float(bitPattern: UInt32(bits))))
        case (UInt8(ascii: "f"), 2): return .float(Double(HalfPrecision.float(binary16: UInt16(bits))))
        case (UInt8(ascii: "i"), 1...8): return .integer(Int(truncatingIfNeeded: bits << unused) >> Int(unused))
        case (UInt8(ascii: "u"), 1...8): return Int(exactly: bits).map { .integer($0) }
        case (UInt8(ascii: "b"), 1): return .boolean(bits != 0)
        default: return nil
        }
    }

    private static func isCall(_ object: PickleObject, _ name: String) -> Bool {
        guard case .global(let global) = object.callee else { return false }
        return ["numpy.core.multiarray", "numpy._core.multiarray"].contains(global.module) && global.name == name
    }

    /// An element type's name, such as f8, and whether its bytes are in the order of this machine.
    private static func elementType(_ value: PickleValue) -> (name: String, isLittleEndian: Bool)? {
        guard case .object(let object) = value, object.calleeName == "numpy.dtype",
            let name = object.arguments.values.first?.text(limit: 16)
        else { return nil }
        guard case .tuple(let state)? = object.state, state.values.count > 1 else { return (name, true) }
        return (name, state.values[1].isText("<") || state.values[1].isText("|"))
    }
}
