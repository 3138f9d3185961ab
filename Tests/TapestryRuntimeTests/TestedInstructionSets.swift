import TapestryRuntime
import TileEmulation

extension InstructionSet {
    /// Those for a precision that tests run on this processor, the best first: its own, and where the other instructions
    /// that they consist of are there, those of AMX in software.
    static func tested(for precision: NativePrecision = .fp32) -> [InstructionSet] {
        let supported = supported(for: precision)
        guard supported.first?.name != "amx", emulate_tiles() else { return supported }
        return known.filter { $0.name == "amx" && $0.precision == precision } + supported
    }
}
