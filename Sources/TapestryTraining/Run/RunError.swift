/// What keeps a run from starting, going on or ending well.
public enum RunError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The folder holds a run; going on with it must be asked for.
    case alreadyExists(String)
    /// Another process trains in the folder.
    case inUse(String)
    /// There is nothing to resume in the folder.
    case noRun(String)
    /// A setting is asked to differ from what the run to resume was started with.
    case conflict(setting: String, recorded: String, given: String)
    /// The loss is infinite or NaN.
    case diverged(node: String, epoch: Int, step: Int)
    /// The data do not suit the network.
    case unsuitable(String)

    public var description: String {
        switch self {
        case .alreadyExists(let path):
            "\(path) holds a run already; pass --resume to go on with it, or another --out"
        case .inUse(let path): "\(path) is in use by another process that trains there"
        case .noRun(let path): "\(path) holds no run to resume (no config.yaml); leave out --resume to start one"
        case .conflict(let setting, let recorded, let given):
            "the run was started with \(setting) \(recorded), not \(given); leave that out to resume, or use another --out"
        case .diverged(let node, let epoch, let step):
            "the loss is no longer finite at epoch \(epoch), step \(step); the first layer to go wrong is \"\(node)\"; "
                + "try a smaller --lr or --set gradient-clip=1; the checkpoints are those from before"
        case .unsuitable(let reason): reason
        }
    }
}
