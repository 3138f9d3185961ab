import TapestryCore
import TapestryRecipes
import TapestryTorch

/// How this process was started beside others, as launchers say it in the environment.
public struct Launch: Equatable, Sendable {
    public let meeting: ProcessGroup.Meeting
    /// Its number among the processes of its machine, from 0; nil where the launcher does not say.
    public let localRank: Int?

    /// Reads what torchrun sets (`RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR`, `MASTER_PORT`), which anyone may set by
    /// hand, or what Slurm's srun does (`SLURM_PROCID`, `SLURM_NTASKS`, `SLURM_LOCALID`) where `MASTER_ADDR` says who rank 0 is. Nil for a process
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
        let local = isBySlurm ? "SLURM_LOCALID" : "LOCAL_RANK"
        localRank = try environment[local] == nil ? nil : number(local, in: 0...rank)
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
    /// Where this process computes, when all are asked to compute on `device`: of GPUs, each process of a machine has the
    /// one of its own number.
    ///
    /// Throws `SettingError` where that is not known, or one GPU is asked for.
    public func device(asked device: Device) throws(SettingError) -> Device {
        guard case .cuda(let index) = device else { return device }
        guard index == 0 else {
            throw SettingError("device \(device): of several processes each has a GPU of its own; ask for cuda")
        }
        guard let localRank else {
            throw SettingError("LOCAL_RANK is not set; it says which of its machine's GPUs a process has")
        }
        return .cuda(localRank)
    }
}
