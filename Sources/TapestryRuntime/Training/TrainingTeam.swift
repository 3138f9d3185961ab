import Glibc
import Synchronization

/// The threads that train, and the memory that they work in. For one caller at a time.
///
/// Results do not depend on the number of threads: what is summed up is cut into parts by the extents of the work alone.
public final class TrainingTeam: @unchecked Sendable {
    public let threads: Int
    private var scratch: [Scratch]
    private var shared: [Scratch] = (0..<SharedPurpose.allCases.count).map { _ in Scratch() }

    /// Precondition: `threads > 0`.
    public init(threads: Int) {
        precondition(threads > 0)
        self.threads = threads
        scratch = (0..<threads).map { _ in Scratch() }
    }

    /// What memory that all threads share is for.
    enum SharedPurpose: Int, CaseIterable {
        case packedWeights, gradients, inputs, upstream
    }

    /// Memory for a thread's own use, at least so many bytes, aligned to a page; its contents are whatever they were.
    func memory(of worker: Int, bytes: Int) -> UnsafeMutableRawPointer { scratch[worker].memory(bytes: bytes) }

    /// The same for all threads, to be asked for before they start.
    func sharedMemory(for purpose: SharedPurpose, bytes: Int) -> UnsafeMutableRawPointer {
        shared[purpose.rawValue].memory(bytes: bytes)
    }

    /// Calls `body` for every item from 0 on and the number of a thread, several items at a time.
    func forEach(_ items: Int, _ body: (_ item: Int, _ worker: Int) -> Void) {
        guard items > 0 else { return }
        let count = min(threads, items)
        withoutActuallyEscaping(body) { body in
            let work = Items(count: items, body: body)
            if count == 1 || !WorkerPool.shared.run(work, on: count) { work.run(worker: 0) }
        }
    }

    private final class Items: SharedWork {
        private let count: Int
        private let body: (Int, Int) -> Void
        private let next = Atomic<Int>(0)

        init(count: Int, body: @escaping (Int, Int) -> Void) {
            (self.count, self.body) = (count, body)
        }

        func run(worker: Int) {
            while true {
                let item = next.add(1, ordering: .relaxed).oldValue
                guard item < count else { return }
                body(item, worker)
            }
        }
    }
}

/// Memory that grows as it is asked for.
private final class Scratch {
    private var start: UnsafeMutableRawPointer?
    private var bytes = 0

    func memory(bytes wanted: Int) -> UnsafeMutableRawPointer {
        if let start, wanted <= bytes { return start }
        free(start)
        start = nil
        bytes = wanted
        var made: UnsafeMutableRawPointer?
        guard posix_memalign(&made, 4096, max(wanted, 4096)) == 0, let made else {
            fatalError("out of memory: \(wanted) bytes for training")
        }
        start = made
        return made
    }

    deinit { free(start) }
}
