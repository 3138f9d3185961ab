import CTapestryKernels
import Glibc

/// What values are stored in between layers. Sums are in 32-bit floats either way.
public enum NativePrecision: String, CaseIterable, Sendable {
    /// 32-bit floats.
    case fp32
    /// Floats' upper halves (bfloat16), weights of convolutions too: 8 significant bits, half the memory, and where
    /// processors multiply pairs of them, twice as fast.
    case bf16

    /// Bytes of an element of a value.
    var elementSize: Int { self == .fp32 ? 4 : 2 }
}

/// A set of instructions that kernels are made for, and the precision of the values that they take. Which of them a
/// processor has is found when the program runs.
public struct InstructionSet: Sendable {
    /// "amx", "avx512", "avx2", "neon" or "scalar", which every processor has.
    public let name: String
    public let precision: NativePrecision
    /// Tables of functions that live as long as the program.
    nonisolated(unsafe) let kernels: UnsafePointer<tk_kernels>

    private init(_ kernels: UnsafePointer<tk_kernels>) {
        self.kernels = kernels
        name = String(cString: kernels.pointee.name)
        precision = kernels.pointee.element_size == 4 ? .fp32 : .bf16
    }

    private static let all = (0..<tk_kernels_count()).map {
        (set: InstructionSet(tk_kernels_at($0)), isSupported: tk_has_kernels($0))
    }

    /// All that there are kernels for, the best first, whether or not this processor can run them.
    package static var known: [InstructionSet] { all.map(\.set) }

    /// Those that this processor has for a precision, the best first. "scalar" is always among them.
    public static func supported(for precision: NativePrecision = .fp32) -> [InstructionSet] {
        all.filter { $0.isSupported && $0.set.precision == precision }.map(\.set)
    }

    /// The best one of this processor that is no better than the environment variable `TAPESTRY_ISA` admits.
    ///
    /// Throws `UnknownInstructionSet` where the variable names none.
    public static func best(for precision: NativePrecision = .fp32) throws(UnknownInstructionSet) -> InstructionSet {
        let supported = supported(for: precision)
        guard let cap = getenv("TAPESTRY_ISA").map({ String(cString: $0) }), !cap.isEmpty else { return supported[0] }
        let names = all.map(\.set.name).reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
        guard let first = names.firstIndex(of: cap) else { throw UnknownInstructionSet(name: cap, known: names) }
        let admitted = names[first...]
        return supported.first { admitted.contains($0.name) } ?? supported[supported.count - 1]
    }

    /// Floats of a vector.
    var lanes: Int { Int(kernels.pointee.lanes) }

    /// Channels that are multiplied at a time.
    var wordElements: Int { 4 / precision.elementSize }

    /// Words of 4 bytes of a tap that a multiplication of matrices takes; 1 where there are vectors only.
    var matrixWords: Int { Int(kernels.pointee.matrix_words) }
}

/// `TAPESTRY_ISA` names an instruction set that there are no kernels for.
public struct UnknownInstructionSet: Error, Equatable, Sendable, CustomStringConvertible {
    public let name: String
    public let known: [String]

    public var description: String {
        "TAPESTRY_ISA is \"\(name)\"; known are \(known.joined(separator: ", "))"
    }
}
