import Foundation
import Synchronization
import TapestryCore
import TapestryTorch

/// Runs `body` in so many threads, each of which is a process of one group by its own connections, and returns what each
/// came to, by rank.
func withProcesses<Result: Sendable>(
    _ count: Int, timeout: Duration = .seconds(60), _ body: @escaping @Sendable (ProcessGroup) throws -> Result
) throws -> [Swift.Result<Result, any Error>] {
    let port = try freePort()
    let results = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
    let done = DispatchGroup()
    for rank in 0..<count {
        done.enter()
        Thread {
            let result = Swift.Result {
                let meeting = ProcessGroup.Meeting(
                    rank: rank, size: count, host: "127.0.0.1", port: port, keepsStore: rank == 0)
                return try body(try ProcessGroup(meeting, timeout: timeout))
            }
            results.withLock { $0[rank] = result }
            done.leave()
        }.start()
    }
    done.wait()
    return results.withLock { results in (0..<count).map { results[$0]! } }
}

/// A port of the loopback address that nobody listens on.
private func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, size) == 0 ? getsockname(descriptor, address, &size) : -1
        }
    }
    guard status == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    return UInt16(bigEndian: address.sin_port)
}

/// Which of `count` images, in order, a process of a group takes.
func share(of count: Int, _ group: ProcessGroup) -> Range<Int> {
    count * group.rank / group.size..<count * (group.rank + 1) / group.size
}
