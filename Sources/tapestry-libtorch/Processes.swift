import ArgumentParser
import Foundation
import TapestryCommandLine
import TapestryCore
import TapestryRecipes
import TapestryTorch
import TapestryTraining

/// The processes among which a command's work is shared; or this one, alone.
struct Processes {
    /// Nil for one that is alone.
    let group: ProcessGroup?

    /// Whether this is the one that decides, writes and reports.
    var isFirst: Bool { group?.isFirst ?? true }

    /// Meets the others, where a launcher's environment says that there are any, and runs `body`.
    ///
    /// Throws: `CommandFailure` where they do not come, and for what `body` throws, telling which process failed.
    static func with(
        _ arguments: RunArguments, _ computing: ComputingArguments, _ body: (Processes) throws -> Void
    ) throws {
        guard let launch = try Launch(environment: ProcessInfo.processInfo.environment) else {
            return try body(Processes(group: nil))
        }
        do {
            let device = try launch.device(asked: computing.device ?? .cpu)
            let processes = Processes(group: try join(launch.meeting, timeout: arguments.timeout, on: device))
            processes.noteConnection()
            try body(processes)
        } catch let code as ExitCode {
            throw code
        } catch {
            let failure = CommandFailure(error)
            let (rank, size) = (launch.meeting.rank, launch.meeting.size)
            throw CommandFailure(failure.status, "rank \(rank) of \(size): \(failure.message)")
        }
    }

    private static func join(
        _ meeting: ProcessGroup.Meeting, timeout: Int, on device: Device
    ) throws -> ProcessGroup {
        try TorchRuntime.start(threads: 1, device: device)
        do {
            return try ProcessGroup(meeting, timeout: .seconds(timeout), on: device)
        } catch {
            guard error.operation != "nccl" else {
                throw CommandFailure(
                    .unavailable,
                    "--device cuda: processes that share a run on GPUs need NCCL, which this build cannot use"
                        + " (\(error.message)); train with one process, or on CPUs")
            }
            guard error.isPeerLost else { throw error }
            throw CommandFailure(
                .unavailable,
                "could not meet the other processes at \(meeting.host):\(meeting.port) within \(timeout) s"
                    + " (\(error.message)); start all of them, and check MASTER_ADDR, MASTER_PORT and GLOO_SOCKET_IFNAME"
            )
        }
    }

    /// How many there are, and by what their sums are made.
    private func noteConnection() {
        guard let group else { return }
        let means =
            switch group.connection {
            case .sharedMemory: "in shared memory"
            case .nccl: "by NCCL"
            case .gloo(let reason): "by Gloo, through the network (no shared memory: \(reason))"
            }
        note("\(group.size) processes add up gradients \(means)")
    }

    /// A line of progress or explanation, of which one is enough.
    func note(_ line: String) {
        if isFirst { Console.note(line) }
    }

    /// What rank 0 makes of its options and of the run's folder, which others need not see.
    ///
    /// Throws: what `decide` throws.
    func agree(on decide: () throws -> RunDecision) throws -> RunDecision {
        guard let group else { return try decide() }
        let own = isFirst ? try decide() : nil
        return try group.broadcast(own)
    }

    /// What ends the command after an interruption: one line of all processes together, and each one's exit code.
    func interruption(_ message: String) -> any Error {
        isFirst ? CommandFailure(.interrupted, message) : ExitCode(ExitStatus.interrupted.rawValue)
    }
}

/// Which run it is, and whether it is there already.
struct RunDecision: Codable {
    let configuration: RunConfiguration
    let isResuming: Bool

    init(_ configuration: RunConfiguration, isResuming: Bool) {
        (self.configuration, self.isResuming) = (configuration, isResuming)
    }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        configuration = try RunConfiguration(parsing: container.decode(String.self), file: "rank 0's configuration")
        isResuming = try container.decode(Bool.self)
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(configuration.yaml)
        try container.encode(isResuming)
    }
}
