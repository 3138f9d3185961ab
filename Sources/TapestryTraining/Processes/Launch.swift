import TapestryRecipes
import TapestryTorch

/// How this process was started beside others, as launchers say it in the environment.
public struct Launch: Equatable, Sendable {
    public let meeting: ProcessGroup.Meeting

    /// Reads what torchrun sets (`RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT`), which anyone may set by hand, or
    /// what Slurm's srun does (`SLURM_PROCID`, `SLURM_NTASKS`) where `MASTER_ADDR` says who rank 0 is. Nil for a process
    /// that is alone.
    ///
    /// Throws `SettingError` for a variable that is missing or makes no sense.
    public init?(environment: [String: String]) throws(SettingError) {
        func number(_ name: String, in range: ClosedRange<Int>, otherwise: Int? = nil) throws(SettingError) -> Int {
            guard let text = environment[name] else {
                if let otherwise { return otherwise }
                throw SettingError("\(name) is not set; several processes need RANK, WORLD_SIZE and MASTER_ADDR")
            }
            guard let number = Int(text), range.contains(number) else {
                throw SettingError("\(name) must be a whole number within \(range), not \"\(text)\"")
            }
            return number
        }
        let isBySlurm = environment["RANK"] == nil && environment["WORLD_SIZE"] == nil
        if isBySlurm, environment["SLURM_PROCID"] == nil || environment["MASTER_ADDR"] == nil { return nil }
        let size = try number(isBySlurm ? "SLURM_NTASKS" : "WORLD_SIZE", in: 1...65_536)
        guard size > 1 else { return nil }
        let rank = try number(isBySlurm ? "SLURM_PROCID" : "RANK", in: 0...size - 1)
        guard let host = environment["MASTER_ADDR"], !host.isEmpty else {
            throw SettingError("MASTER_ADDR is not set; it names the machine of rank 0")
        }
        let port = try number("MASTER_PORT", in: 1...65_535, otherwise: 29_500)
        // torchrun keeps a store of its own, over all restarts.
        let hasStore = environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
        let attempt = try number("TORCHELASTIC_RESTART_COUNT", in: 0...Int.max, otherwise: 0)
        meeting = ProcessGroup.Meeting(
            rank: rank, size: size, host: host, port: UInt16(port), keepsStore: rank == 0 && !hasStore,
            name: "tapestry/\(attempt)")
    }
}
