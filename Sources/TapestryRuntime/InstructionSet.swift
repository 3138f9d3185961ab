import CTapestryKernels
import Glibc

/// A set of instructions that kernels are made for. Which of them a processor has is found when the program runs.
public struct InstructionSet: Sendable {
    /// "avx512", "avx2", "neon" or "scalar", which every processor has.
    public let name: String
    /// Tables of functions that live as long as the program.
    nonisolated(unsafe) let kernels: UnsafePointer<tk_kernels>

    /// Those that this processor has, the best first.
    public static let supported: [InstructionSet] = (0..<tk_instruction_set_count()).compactMap { index in
        guard let kernels = tk_instruction_set_kernels(index) else { return nil }
        return InstructionSet(name: String(cString: tk_instruction_set_name(index)), kernels: kernels)
    }

    /// The best one of this processor that is no better than the environment variable `TAPESTRY_ISA` admits.
    ///
    /// Throws `UnknownInstructionSet` where the variable names none.
    public static func best() throws(UnknownInstructionSet) -> InstructionSet {
        guard let cap = getenv("TAPESTRY_ISA").map({ String(cString: $0) }), !cap.isEmpty else { return supported[0] }
        let names = (0..<tk_instruction_set_count()).map { String(cString: tk_instruction_set_name($0)) }
        guard let first = names.firstIndex(of: cap) else { throw UnknownInstructionSet(name: cap, known: names) }
        let admitted = names[first...]
        // The last of the list is on every processor.
        return supported.first { admitted.contains($0.name) } ?? supported[supported.count - 1]
    }

    /// Floats of a vector.
    var lanes: Int { Int(kernels.pointee.lanes) }
}

/// `TAPESTRY_ISA` names an instruction set that there are no kernels for.
public struct UnknownInstructionSet: Error, Equatable, Sendable, CustomStringConvertible {
    public let name: String
    public let known: [String]

    public var description: String {
        "TAPESTRY_ISA is \"\(name)\"; known are \(known.joined(separator: ", "))"
    }
}
