import TapestryCore

/// Reads a tensor's elements from a file, in pieces: beside the tensor itself it needs memory for one piece only.
private struct ElementReader {
    let file: InputFile
    /// Where the storage begins in the file.
    let base: Int
    let layout: StridedLayout

    private static let pieceByteCount = 1 << 18

    /// The elements as they are. Precondition: any bit pattern is a valid `Element`.
    func read<Element: BitwiseCopyable & Sendable>(_ type: Element.Type) throws -> Tensor<Element> {
        guard layout.isRowMajor else { return try read(type) { $0 } }
        return Tensor(
            shape: layout.shape,
            elements: try [Element](unsafeUninitializedCapacity: layout.shape.count) { output, initialized in
                let start = base + layout.offset * MemoryLayout<Element>.size
                try file.read(into: UnsafeMutableRawBufferPointer(output.extracting(..<layout.shape.count)), at: start)
                initialized = layout.shape.count
            })
    }

    /// The elements as `convert` makes them of those in the file.
    func read<Raw: BitwiseCopyable, Element: BitwiseCopyable & Sendable>(
        _: Raw.Type, _ convert: (Raw) throws -> Element
    ) throws -> Tensor<Element> {
        let size = MemoryLayout<Raw>.size
        var pieceStart = 0
        var piece: [Raw] = []
        let end = layout.span.upperBound
        let elements = try [Element](unsafeUninitializedCapacity: layout.shape.count) { output, initialized in
            // The numbers only grow, so no piece is read twice.
            try layout.forEachElement { number, place in
                if number - pieceStart >= piece.count {
                    let count = min(Self.pieceByteCount / size, end - number)
                    piece = try [Raw](unsafeUninitializedCapacity: count) { buffer, initialized in
                        try file.read(
                            into: UnsafeMutableRawBufferPointer(buffer.extracting(..<count)), at: base + number * size)
                        initialized = count
                    }
                    pieceStart = number
                }
                output[place] = try convert(piece[number - pieceStart])
            }
            initialized = layout.shape.count
        }
        return Tensor(shape: layout.shape, elements: elements)
    }
}

extension StoredTensor {
    /// Reads the elements of `layout` from the storage of `type` that begins at byte `base` of `file`; F16, BF16 and F64
    /// become 32-bit floating point.
    ///
    /// Precondition: the storage lies in the file. Throws: `FormatError` if the file is cut short meanwhile, or where a
    /// truth value is neither 0 nor 1.
    package init(_ type: StoredType, _ layout: StridedLayout, of file: InputFile, at base: Int) throws {
        let reader = ElementReader(file: file, base: base, layout: layout)
        switch type {
        case .float32: self = .float32(try reader.read(Float.self))
        case .int64: self = .int64(try reader.read(Int64.self))
        case .int32: self = .int32(try reader.read(Int32.self))
        case .int16: self = .int16(try reader.read(Int16.self))
        case .int8: self = .int8(try reader.read(Int8.self))
        case .uint8: self = .uint8(try reader.read(UInt8.self))
        case .bool:
            self = .bool(
                try reader.read(UInt8.self) { byte in
                    guard byte <= 1 else {
                        throw FormatError(
                            file: file.path, offset: base, reason: "expected truth values of 0 or 1, found \(byte)")
                    }
                    return byte == 1
                })
        case .float64: self = .float32(try reader.read(Double.self) { Float($0) })
        case .float16: self = .float32(try reader.read(UInt16.self, HalfPrecision.float(binary16:)))
        case .bfloat16: self = .float32(try reader.read(UInt16.self, HalfPrecision.float(bfloat16:)))
        }
    }
}
