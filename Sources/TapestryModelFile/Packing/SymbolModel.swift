import TapestryCore

/// What the next weight is likely to be, given those before it. A weight is a symbol: 0 for zero, 1 for a positive weight
/// (or any that is not zero, where signs are not coded), 2 for a negative one. First comes whether it is zero, then its
/// sign.
package enum SymbolModel: UInt8, CaseIterable, Sendable {
    /// By the shares of the three symbols alone.
    case independent = 0
    /// By the weights to the left and above it in its kernel, and how many of the kernel are not zero so far, up to three.
    /// In trained kernels neighbours agree in both.
    case neighbours = 1

    /// Runs through the symbols: an encoder reads them, a decoder writes them.
    ///
    /// Precondition: as many symbols as `plane` divides.
    @inline(__always)
    func run<Coder: BinaryCoder>(
        _ coder: inout Coder, over symbols: UnsafeMutableBufferPointer<UInt8>, plane: KernelPlane, hasSigns: Bool
    ) {
        let symbols = symbols.baseAddress.unsafelyUnwrapped
        switch self {
        case .independent:
            var (nonzero, negative) = (AdaptiveBit(), AdaptiveBit())
            for index in 0..<plane.total {
                var symbol: UInt8 = coder.code(symbols[index] != 0, &nonzero) ? 1 : 0
                if hasSigns, symbol != 0, coder.code(symbols[index] == 2, &negative) { symbol = 2 }
                symbols[index] = symbol
            }
        case .neighbours:
            withUnsafeTemporaryAllocation(of: AdaptiveBit.self, capacity: 16 + 9) { chances in
                chances.initialize(repeating: AdaptiveBit())
                let (nonzeros, negatives) = (chances.baseAddress.unsafelyUnwrapped, chances.baseAddress! + 16)
                for start in stride(from: 0, to: plane.total, by: plane.height &* plane.width) {
                    var (index, found) = (start, 0)
                    for row in 0..<plane.height {
                        var left: UInt8 = 0
                        for _ in 0..<plane.width {
                            let above = row > 0 ? symbols[index &- plane.width] : 0
                            let context = min(found, 3) &* 4 &+ (left != 0 ? 2 : 0) &+ (above != 0 ? 1 : 0)
                            var symbol: UInt8 = coder.code(symbols[index] != 0, &nonzeros[context]) ? 1 : 0
                            if symbol != 0 {
                                found &+= 1
                                let context = Int(left &* 3 &+ above)
                                if hasSigns, coder.code(symbols[index] == 2, &negatives[context]) { symbol = 2 }
                            }
                            symbols[index] = symbol
                            left = symbol
                            index &+= 1
                        }
                    }
                }
            }
        }
    }
}

/// How weights lie beside each other: the last two axes that are longer than one. For a 3x3 convolution these are its
/// kernels; for a 1x1 one, or a linear layer, its matrix.
struct KernelPlane {
    let total: Int
    let height: Int
    let width: Int

    /// Precondition: the shape has at least one element.
    init(_ shape: Shape) {
        let axes = shape.dimensions.filter { $0 > 1 }
        total = shape.count
        width = axes.last ?? 1
        height = axes.dropLast().last ?? 1
    }
}

/// Symbols to bytes and back.
enum SymbolCode {
    /// The code by one model, behind the model's number. Precondition: as many symbols as the plane says.
    static func encode(_ symbols: [UInt8], plane: KernelPlane, hasSigns: Bool, by model: SymbolModel) -> [UInt8] {
        precondition(symbols.count == plane.total)
        var symbols = symbols
        return AdaptiveBit.rates.withUnsafeBufferPointer { rates in
            var encoder = RangeEncoder(rates: rates.baseAddress!)
            symbols.withUnsafeMutableBufferPointer {
                model.run(&encoder, over: $0, plane: plane, hasSigns: hasSigns)
            }
            return [model.rawValue] + encoder.finish()
        }
    }

    /// The symbols of a code without its model's number; nil if it is the code of no symbols.
    static func decode(
        _ code: ArraySlice<UInt8>, plane: KernelPlane, hasSigns: Bool, by model: SymbolModel
    ) -> [UInt8]? {
        var isWhole = false
        let symbols = AdaptiveBit.rates.withUnsafeBufferPointer { rates in
            code.withUnsafeBufferPointer { code in
                [UInt8](unsafeUninitializedCapacity: plane.total) { symbols, count in
                    // A decoder looks at what it is to write, and then writes something else.
                    symbols.initialize(repeating: 0)
                    count = plane.total
                    var decoder = RangeDecoder(code, rates: rates.baseAddress!)
                    let planes = UnsafeMutableBufferPointer(rebasing: symbols[..<plane.total])
                    model.run(&decoder, over: planes, plane: plane, hasSigns: hasSigns)
                    isWhole = decoder.isAtEnd
                }
            }
        }
        return isWhole ? symbols : nil
    }
}
