import TapestryCore

extension HDF5Dataset {
    /// The dataset's values. Floating-point numbers of 16 and 64 bits become `float32`; integers of 8 and 16 bits and
    /// signed ones of 32 become `int32`, larger ones `int64`; only unsigned bytes stay as they are.
    ///
    /// Throws: `FormatError`.
    func tensor(of storage: HDF5Storage) throws -> StoredTensor {
        switch type.number {
        case .float16: .float32(try elements(of: storage) { (bits: UInt16) in HalfPrecision.float(binary16: bits) })
        case .bfloat16: .float32(try elements(of: storage) { (bits: UInt16) in HalfPrecision.float(bfloat16: bits) })
        case .float32: .float32(try elements(of: storage) { (bits: UInt32) in Float(bitPattern: bits) })
        case .float64: .float32(try elements(of: storage) { (bits: UInt64) in Float(Double(bitPattern: bits)) })
        case .int8: .int32(try elements(of: storage) { (value: Int8) in Int32(value) })
        case .int16: .int32(try elements(of: storage) { (value: Int16) in Int32(value) })
        case .int32: .int32(try elements(of: storage) { (value: Int32) in value })
        case .int64: .int64(try elements(of: storage) { (value: Int64) in value })
        case .uint8: .uint8(try elements(of: storage) { (value: UInt8) in value })
        case .uint16: .int32(try elements(of: storage) { (value: UInt16) in Int32(value) })
        case .uint32: .int64(try elements(of: storage) { (value: UInt32) in Int64(value) })
        case .uint64:
            .int64(
                try elements(of: storage) { (value: UInt64) in
                    guard let signed = Int64(exactly: value) else {
                        throw storage.error("expected integers below 2^63, found \(value)", at: address)
                    }
                    return signed
                })
        }
    }

    private func elements<Raw: FixedWidthInteger, Element: Numeric & Sendable>(
        of storage: HDF5Storage, _ convert: (Raw) throws -> Element
    ) throws -> Tensor<Element> {
        let (size, overflow) = shape.count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        try storage.chargeTensor(overflow ? .max : size, at: address)
        try expectValues(in: storage)
        var elements = [Element](repeating: 0, count: shape.count)
        try elements.withUnsafeMutableBufferPointer { output in
            try forEachRun(of: storage) { bytes, first in
                for index in 0..<bytes.count / MemoryLayout<Raw>.size {
                    let raw = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Raw>.size, as: Raw.self)
                    output[first + index] = try convert(type.isBigEndian ? Raw(bigEndian: raw) : Raw(littleEndian: raw))
                }
            }
        }
        return Tensor(shape: shape, elements: elements)
    }

    /// Refuses, before memory is allocated for them, values that the file cannot hold.
    private func expectValues(in storage: HDF5Storage) throws {
        guard case .contiguous(let place) = layout, byteCount > 0 else { return }
        guard let place else {
            throw storage.error("expected values, found a dataset that none were ever written to", at: address)
        }
        try storage.expect(byteCount, at: place, for: "values")
    }

    /// Gives the bytes of all elements, each once: every run with the index of its first element in row-major order.
    private func forEachRun(
        of storage: HDF5Storage, _ body: (UnsafeRawBufferPointer, Int) throws -> Void
    ) throws {
        switch layout {
        case .compact(let reader): try reader.bytes.withUnsafeBytes { try body($0, 0) }
        case .contiguous(let place):
            guard let place, byteCount > 0 else { return }
            var piece = [UInt8](repeating: 0, count: min(byteCount, Self.pieceSize))
            for start in stride(from: 0, to: byteCount, by: Self.pieceSize) {
                try piece.withUnsafeMutableBytes { buffer in
                    let part = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(byteCount - start))
                    try storage.read(into: part, at: place + start)
                    try body(UnsafeRawBufferPointer(part), start / type.byteCount)
                }
            }
        case .chunked(let chunking): try chunking.forEachRun(of: storage, body)
        }
    }

    /// Values are converted in pieces of as many bytes, a multiple of every element's size.
    static let pieceSize = 64 << 10
}
