import Foundation
import Synchronization
import TapestryTestSupport
import TapestryTorch

/// Runs `body` in so many threads, each of which is a process of one group by its own connections, and returns what each
/// came to, by rank.
func withProcesses<Result: Sendable>(
    _ count: Int, timeout: Duration = .seconds(60), sharingMemory: Bool = true,
    _ body: @escaping @Sendable (ProcessGroup) throws -> Result
) throws -> [Swift.Result<Result, any Error>] {
    let port = try freeLoopbackPort()
    let results = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
    let done = DispatchGroup()
    for rank in 0..<count {
        done.enter()
        Thread {
            let result = Swift.Result {
                let meeting = ProcessGroup.Meeting(
                    rank: rank, size: count, host: "127.0.0.1", port: port, keepsStore: rank == 0)
                return try body(try ProcessGroup(meeting, timeout: timeout, sharingMemory: sharingMemory))
            }
            results.withLock { $0[rank] = result }
            done.leave()
        }.start()
    }
    done.wait()
    return results.withLock { results in (0..<count).map { results[$0]! } }
}

/// Which of `count` images, in order, a process of a group takes.
func share(of count: Int, _ group: ProcessGroup) -> Range<Int> {
    count * group.rank / group.size..<count * (group.rank + 1) / group.size
}
