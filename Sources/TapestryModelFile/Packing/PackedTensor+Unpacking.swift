import TapestryCore

extension PackedTensor.Form {
    /// The elements of a packed tensor of that shape whose bytes `reader` has, and nothing behind them.
    ///
    /// Throws: `FormatError` unless the bytes are exactly those that packing the elements gives. Precondition: the shape has
    /// at least one element, and memory for all of them.
    package func elements(of shape: Shape, from reader: inout ByteReader) throws -> [Float] {
        let elements = try isTernary ? ternary(shape, &reader) : sparse(shape, &reader)
        guard reader.remaining == 0 else {
            throw reader.error("expected the end of the packed tensor, found \(reader.remaining) more bytes")
        }
        return elements
    }

    private func ternary(_ shape: Shape, _ reader: inout ByteReader) throws -> [Float] {
        let start = reader.offset
        let negative = try reader.float(for: "negative value")
        let positive = try reader.float(for: "positive value")
        var symbols: [UInt8]
        if isCoded {
            symbols = try Self.decoded(shape, hasSigns: true, &reader)
        } else {
            symbols = try Self.mask(shape.count, of: "mask", &reader)
            let signs = try Self.mask(symbols.count { $0 != 0 }, of: "signs", &reader)
            var sign = 0
            for index in symbols.indices where symbols[index] != 0 {
                symbols[index] += signs[sign]
                sign += 1
            }
        }
        let (hasPositive, hasNegative) = (symbols.contains(1), symbols.contains(2))
        guard hasNegative ? negative < 0 : negative.bitPattern == 0,
            hasPositive ? positive > 0 : positive.bitPattern == 0
        else {
            throw reader.error(
                "expected a negative value and a positive one, and zero for one that is not used, "
                    + "found \(negative) and \(positive)", at: start)
        }
        // Looked up and not chosen: signs are what a processor cannot foresee.
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: 3) { values in
            _ = values.initialize(from: [0, positive, negative])
            return symbols.map { values[Int($0)] }
        }
    }

    private func sparse(_ shape: Shape, _ reader: inout ByteReader) throws -> [Float] {
        var symbols: [UInt8] = []
        if !isCoded { symbols = try Self.mask(shape.count, of: "mask", &reader) }
        let start = reader.offset
        let count =
            isCoded ? Int(try reader.littleEndian(4, for: "number of values")) : symbols.count { $0 != 0 }
        let values = try reader.take(4 * count, for: "values")
        if isCoded {
            symbols = try Self.decoded(shape, hasSigns: false, &reader)
            let found = symbols.count { $0 != 0 }
            guard found == count else {
                throw reader.error("expected a value for each of \(found) elements, found \(count)", at: start)
            }
        }
        var elements = [Float](repeating: 0, count: shape.count)
        var place = values.lowerBound
        for index in symbols.indices where symbols[index] != 0 {
            let bits = reader.bytes[place..<place + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            guard bits != 0 else { throw reader.error("expected a value other than zero, found 0", at: place) }
            elements[index] = Float(bitPattern: bits)
            place += 4
        }
        return elements
    }

    /// So many bits, a byte each.
    private static func mask(_ count: Int, of purpose: String, _ reader: inout ByteReader) throws -> [UInt8] {
        let range = try reader.take(count / 8 + (count % 8 == 0 ? 0 : 1), for: purpose)
        if let last = range.last, count % 8 != 0, reader.bytes[last] >> (count % 8) != 0 {
            throw reader.error("expected zeros behind the last bit of the \(purpose), found others", at: last)
        }
        return (0..<count).map { reader.bytes[range.lowerBound + $0 / 8] >> ($0 % 8) & 1 }
    }

    /// The symbols that the rest of the bytes is the code of.
    private static func decoded(_ shape: Shape, hasSigns: Bool, _ reader: inout ByteReader) throws -> [UInt8] {
        let start = reader.offset
        let number = try reader.byte(for: "model of the code")
        guard let model = SymbolModel(rawValue: number) else {
            let known = SymbolModel.allCases.map { String($0.rawValue) }.joined(separator: " or ")
            throw reader.error("expected \(known) as the model of a code, found \(number)", at: start)
        }
        let code = reader.bytes[try reader.take(reader.remaining, for: "code")]
        guard let symbols = SymbolCode.decode(code, plane: KernelPlane(shape), hasSigns: hasSigns, by: model) else {
            throw reader.error(
                "expected the code of \(shape.count) elements, found bytes that are not", at: start + 1)
        }
        return symbols
    }
}

extension ByteReader {
    fileprivate mutating func float(for purpose: String) throws -> Float {
        Float(bitPattern: UInt32(truncatingIfNeeded: try littleEndian(4, for: purpose)))
    }
}
