import TapestryCore

/// Which elements of a tensor are not zero, and what those are.
package struct PackableContent {
    private let plane: KernelPlane
    /// One an element, as in `SymbolModel`.
    private var symbols: [UInt8]
    /// The two values of a ternary tensor, zero for one that no element has; nil for other tensors, whose `symbols` have no
    /// signs.
    private var levels: (negative: Float, positive: Float)?
    /// Of a tensor that is not ternary, in its order.
    package private(set) var values: [Float] = []

    /// Precondition: the tensor has at least one element.
    package init(_ tensor: Tensor<Float>) {
        plane = KernelPlane(tensor.shape)
        var (negative, positive) = (Float(0), Float(0))
        var isTernary = true
        symbols = tensor.elements.map { value in
            if value.bitPattern == 0 { return 0 }
            // -0.0 and not-a-number are neither.
            if value > 0 {
                isTernary = isTernary && (positive == 0 || positive == value)
                positive = value
                return 1
            }
            isTernary = isTernary && value < 0 && (negative == 0 || negative == value)
            negative = value
            return 2
        }
        if isTernary {
            levels = (negative, positive)
        } else {
            symbols = symbols.map { min($0, 1) }
            values = tensor.elements.filter { $0.bitPattern != 0 }
        }
    }

    package var isTernary: Bool { levels != nil }

    /// As bits.
    package func packed() -> PackedTensor { packed(coded: false) { _ in [] } }

    /// As the code by one model, by default the one that makes it the shortest.
    package func coded(by model: SymbolModel? = nil) -> PackedTensor {
        packed(coded: true) { hasSigns in
            (model.map { [$0] } ?? SymbolModel.allCases)
                .map { SymbolCode.encode(symbols, plane: plane, hasSigns: hasSigns, by: $0) }
                .min { $0.count < $1.count } ?? []
        }
    }

    private func packed(coded: Bool, _ code: (_ hasSigns: Bool) -> [UInt8]) -> PackedTensor {
        var writer = ByteWriter()
        if let levels {
            writer.append(levels.negative.bitPattern)
            writer.append(levels.positive.bitPattern)
            if coded {
                writer.append(code(true))
            } else {
                writer.append(Self.bits(symbols.lazy.map { $0 != 0 }))
                writer.append(Self.bits(symbols.lazy.filter { $0 != 0 }.map { $0 == 2 }))
            }
            return PackedTensor(form: coded ? .ternaryCoded : .ternary, bytes: writer.bytes)
        }
        if coded { writer.append(UInt32(values.count)) } else { writer.append(Self.bits(symbols.lazy.map { $0 != 0 })) }
        for value in values { writer.append(value.bitPattern) }
        writer.append(code(false))
        return PackedTensor(form: coded ? .sparseCoded : .sparse, bytes: writer.bytes)
    }

    /// Eight to a byte, the lowest first.
    private static func bits(_ flags: some Sequence<Bool>) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, flag) in flags.enumerated() {
            if index % 8 == 0 { bytes.append(0) }
            if flag { bytes[index / 8] |= 1 << (index % 8) }
        }
        return bytes
    }
}

extension PackedTensor {
    /// About what a packed tensor's entry in the metadata takes beside its name.
    private static let entryByteCount = 64

    /// The smallest form that `packing` allows; nil where the elements' own bytes are fewer.
    init?(_ tensor: Tensor<Float>, _ packing: Packing, budget: inout ExpansionBudget) {
        let byteCount = 4 * tensor.shape.count
        guard (1...Int(UInt32.max)).contains(tensor.shape.count) else { return nil }
        let content = PackableContent(tensor)
        var candidates = [content.packed()]
        if packing == .entropy { candidates.append(content.coded()) }
        for candidate in candidates.sorted(by: { $0.bytes.count < $1.bytes.count }) {
            guard candidate.bytes.count + Self.entryByteCount < byteCount else { return nil }
            if budget.admits(byteCount, packedIn: candidate.bytes.count) {
                self = candidate
                return
            }
        }
        return nil
    }
}
