import ArgumentParser
import Foundation

/// How many threads compute: the one number that libtorch and kernels share. Threads that load images are beside them,
/// and mostly wait.
package struct ThreadBudget: Equatable, Sendable {
    package let count: Int
    /// Where the number comes from, for the line that is printed at the start.
    package let reason: String

    /// The budget of this process on this machine, or `requested` where the user says so.
    package static func current(requested: Int? = nil) -> ThreadBudget {
        ThreadBudget(
            requested: requested, processors: availableProcessors, limit: ControlGroup.current.processorLimit,
            sharers: Int(ProcessInfo.processInfo.environment["LOCAL_WORLD_SIZE"] ?? "") ?? 1)
    }

    /// A limit of two and a half processors is worth three threads: the third works half of the time. Processes that a
    /// launcher has started together on this machine, `sharers` of them, have equal parts.
    package init(requested: Int?, processors: Int, limit: Double?, sharers: Int = 1) {
        if let requested {
            (count, reason) = (requested, "asked for by --threads")
        } else if sharers > 1 {
            let all = Self(requested: nil, processors: processors, limit: limit)
            (count, reason) = (max(1, all.count / sharers), "a share of \(all.count), for each of \(sharers) processes")
        } else if let limit, limit < Double(processors) {
            (count, reason) = (max(1, Int(limit.rounded(.up))), "the control group's limit of \(limit) processors")
        } else {
            (count, reason) = (processors, "all processors that this process may use")
        }
    }

    /// The budget of a run that goes on with what it was started with.
    package init(recorded count: Int) {
        (self.count, reason) = (count, "with which the run was started")
    }

    /// What commands that compute say at their start.
    package func line(loading: Int = 1) -> String {
        "threads: \(count) (\(reason)), and \(loading) that load\(loading == 1 ? "s" : "") images and mostly"
            + " wait\(loading == 1 ? "s" : "")"
    }

    /// Processors that the scheduler may put this process on.
    package static var availableProcessors: Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        return affinity(status: status) ?? max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }

    /// How many processors the mask in the text of `/proc/self/status` allows; it has room for any number of them, as the
    /// fixed set of `sched_getaffinity` has not.
    package static func affinity(status: String) -> Int? {
        let key = "Cpus_allowed:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(key) }) else { return nil }
        let count = line.dropFirst(key.count).reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
        return count > 0 ? count : nil
    }
}

/// `--threads`, for commands that compute.
package struct ThreadArguments: ParsableArguments {
    @Option(
        help: "How many threads compute; by default the processors that this process may use.",
        transform: Positive.extent)
    package var threads: Int?

    package init() {}

    package var budget: ThreadBudget { .current(requested: threads) }
}
