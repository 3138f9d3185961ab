/// The few calls by which a pickle rebuilds a numpy array of unsigned bytes, done without numpy.
///
/// Each function returns nil for anything but such an array.
enum NumpyPickle {
    static func call(_ function: PickleValue.Global, _ arguments: [PickleValue]) -> PickleValue? {
        switch function {
        case .reconstruct:
            guard case .global(.arrayClass)? = arguments.first else { return nil }
            return .emptyArray
        case .typeClass:
            guard let name = arguments.first?.text, ["u1", "uint8"].contains(name) else { return nil }
            return .unsignedByteType
        case .encode:
            // How python 3 writes bytes in protocol 2: as text to be encoded in Latin-1.
            guard arguments.count == 2, case .string(let text) = arguments[0], arguments[1].text == "latin1" else {
                return nil
            }
            var bytes: [UInt8] = []
            for scalar in text.unicodeScalars {
                guard let byte = UInt8(exactly: scalar.value) else { return nil }
                bytes.append(byte)
            }
            return .bytes(bytes)
        case .arrayClass: return nil
        }
    }

    static func build(_ object: PickleValue, _ state: [PickleValue]) -> PickleValue? {
        switch object {
        case .unsignedByteType: return object
        case .emptyArray:
            guard state.count == 5, case .tuple(let dimensions) = state[1], case .unsignedByteType = state[2],
                case .boolean(false) = state[3], case .bytes(let bytes) = state[4]
            else { return nil }
            var shape: [Int] = []
            var count = 1
            for dimension in dimensions {
                guard case .integer(let value) = dimension, value >= 0 else { return nil }
                let (product, overflow) = count.multipliedReportingOverflow(by: value)
                guard !overflow else { return nil }
                count = product
                shape.append(value)
            }
            return count == bytes.count ? .array(shape: shape, bytes: bytes) : nil
        default: return nil
        }
    }
}
