import TapestryCore

/// The object header of a dataset that is written: version 1, values in one piece.
struct HDF5DatasetHeader {
    private let tensor: StoredTensor
    private let messages: [(kind: HDF5ObjectHeader.Kind, body: HDF5Bytes)]

    init(_ tensor: StoredTensor) {
        self.tensor = tensor
        messages = [(.dataspace, Self.dataspace(tensor.shape)), (.datatype, Self.datatype(tensor))]
    }

    /// The prefix; the messages above; the fill value's 16 bytes and the layout's 32.
    var byteCount: Int { 16 + messages.reduce(0) { $0 + 8 + $1.body.count } + 16 + 32 }

    func append(to bytes: inout HDF5Bytes, values address: Int) {
        Self.appendPrefix(to: &bytes, messageCount: messages.count + 2, size: byteCount - 16)
        for (kind, body) in messages {
            Self.appendMessage(to: &bytes, Int(kind.rawValue), flags: kind == .datatype ? 1 : 0, body)
        }
        var fill = HDF5Bytes()
        // Version 2; space late, filled if a value is set, and that value is the default: what h5py writes.
        fill.append([2, 2, 2, 1, 0, 0, 0, 0])
        Self.appendMessage(to: &bytes, 5, flags: 1, fill)
        var layout = HDF5Bytes()
        layout.append([3, 1])
        if tensor.byteCount > 0 { layout.append(address, width: 8) } else { layout.appendNoAddress() }
        layout.append(tensor.byteCount, width: 8)
        layout.align()
        Self.appendMessage(to: &bytes, Int(HDF5ObjectHeader.Kind.layout.rawValue), flags: 0, layout)
    }

    /// An object header's first 16 bytes. `size` is that of the messages.
    static func appendPrefix(to bytes: inout HDF5Bytes, messageCount: Int, size: Int) {
        bytes.append([1, 0])
        bytes.append(messageCount, width: 2)
        // One link leads to the object.
        bytes.append(1, width: 4)
        bytes.append(size, width: 4)
        bytes.appendZeros(4)
    }

    /// Flag 1 says that the message never changes.
    static func appendMessage(to bytes: inout HDF5Bytes, _ kind: Int, flags: UInt8, _ body: HDF5Bytes) {
        bytes.append(kind, width: 2)
        bytes.append(body.count, width: 2)
        bytes.append([flags, 0, 0, 0])
        bytes.append(body.bytes)
    }

    private static func dataspace(_ shape: Shape) -> HDF5Bytes {
        var body = HDF5Bytes()
        body.append([1, UInt8(shape.rank), 0, 0, 0, 0, 0, 0])
        for dimension in shape.dimensions { body.append(dimension, width: 8) }
        return body
    }

    private static func datatype(_ tensor: StoredTensor) -> HDF5Bytes {
        var body = HDF5Bytes()
        func appendInteger(size: Int, isSigned: Bool) {
            body.append([0x10, isSigned ? 8 : 0, 0, 0])
            body.append(size, width: 4)
            body.append(0, width: 2)
            body.append(8 * size, width: 2)
        }
        switch tensor {
        case .float32:
            // IEEE 754: implied leading bit, sign at bit 31; 8 bits of exponent from bit 23 on, 23 of mantissa, bias 127.
            body.append([0x11, 0x20, 31, 0, 4, 0, 0, 0, 0, 0, 32, 0, 23, 8, 0, 23, 127, 0, 0, 0])
        case .int64: appendInteger(size: 8, isSigned: true)
        case .int32: appendInteger(size: 4, isSigned: true)
        case .int16: appendInteger(size: 2, isSigned: true)
        case .int8: appendInteger(size: 1, isSigned: true)
        // The format has no truth values: they are the bytes 0 and 1.
        case .uint8, .bool: appendInteger(size: 1, isSigned: false)
        }
        body.align()
        return body
    }
}
