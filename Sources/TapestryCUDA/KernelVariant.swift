import CTapestryCUDA

/// What the kernels' elements are, and how they are multiplied.
public enum KernelArithmetic: String, CaseIterable, Sendable {
    /// Floats as they are, on the ordinary cores.
    case fp32
    /// Floats rounded to TF32 on their way into tensor cores.
    case tf32
    /// bfloat16 on tensor cores, added up in floats.
    case bf16

    package var code: tcu_arithmetic {
        switch self {
        case .fp32: TCU_FLOAT32
        case .tf32: TCU_TF32
        case .bf16: TCU_BFLOAT16
        }
    }

    /// Elements that are read together: 16 bytes.
    public var vector: Int { Int(tcu_vector_of(code)) }
}

/// A compiled set of kernels: an arithmetic, and the tile that a block computes.
public struct KernelVariant: Hashable, Sendable {
    public let arithmetic: KernelArithmetic
    /// The place in the list of tiles.
    public let shape: Int

    public init(_ arithmetic: KernelArithmetic, shape: Int) {
        precondition((0..<Self.shapeCount).contains(shape), "no tile \(shape)")
        self.arithmetic = arithmetic
        self.shape = shape
    }

    public static var shapeCount: Int { Int(tcu_shape_count()) }

    public static var all: [KernelVariant] {
        KernelArithmetic.allCases.flatMap { arithmetic in
            (0..<shapeCount).map { KernelVariant(arithmetic, shape: $0) }
        }
    }

    package var code: tcu_variant { tcu_variant(arithmetic: arithmetic.code, shape: Int32(shape)) }
    private var tile: tcu_shape { tcu_shape_at(Int32(shape)) }

    /// Positions of a block; channels of the steps in a gradient of weights.
    public var rows: Int { Int(tile.rows) }
    /// Outputs of a block.
    public var columns: Int { Int(tile.columns) }
}

extension KernelVariant: CustomStringConvertible {
    /// "bf16 128x64".
    public var description: String { "\(arithmetic.rawValue) \(rows)x\(columns)" }
}
