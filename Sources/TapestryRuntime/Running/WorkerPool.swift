import CTapestryKernels
import Glibc
import Synchronization

/// What several threads do together. It is told which of them asks, from 0.
protocol SharedWork: AnyObject {
    func run(worker: Int)
}

/// The threads that compute, one pool for the process. They wait awake for some microseconds, because a small network's
/// next step comes sooner than a sleeping thread wakes, and asleep after that.
///
/// A caller that finds the pool taken is told so and does its work alone, with the same results.
final class WorkerPool: @unchecked Sendable {
    static let shared = WorkerPool()

    /// The number of the current work, counted up, and in the low 16 bits how many threads it is for.
    private let announcement = Atomic<UInt64>(0)
    private let unfinished = Atomic<Int>(0)
    private let isTaken = Atomic<Bool>(false)
    private let sleepers = Atomic<Int>(0)
    // Written by who has taken the pool, before it announces the work.
    private var work: (any SharedWork)?
    private var threadCount = 0
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wakeUp = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    private init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(wakeUp, nil)
    }

    /// Runs `work` on `count` threads, this one being worker 0. False where the pool is another caller's, or the system
    /// gives no threads: then nothing was done.
    func run(_ work: some SharedWork, on count: Int) -> Bool {
        guard count <= Int(UInt16.max), !isTaken.exchange(true, ordering: .acquiring) else { return false }
        defer { isTaken.store(false, ordering: .releasing) }
        guard start(count - 1) else { return false }
        self.work = work
        unfinished.store(count - 1, ordering: .relaxed)
        let next = (announcement.load(ordering: .relaxed) >> 16 + 1) << 16 | UInt64(count)
        announcement.store(next, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(wakeUp)
            pthread_mutex_unlock(mutex)
        }
        work.run(worker: 0)
        Waiting.until { unfinished.load(ordering: .acquiring) == 0 }
        self.work = nil
        return true
    }

    /// Whether there are so many helping threads by now.
    private func start(_ count: Int) -> Bool {
        while threadCount < count {
            let helper = Unmanaged.passRetained(Helper(pool: self, worker: threadCount + 1))
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
                { argument in
                    let helper = Unmanaged<Helper>.fromOpaque(argument!).takeRetainedValue()
                    helper.pool.help(as: helper.worker)
                },
                helper.toOpaque())
            guard status == 0 else {
                helper.release()
                return false
            }
            pthread_detach(thread)
            threadCount += 1
        }
        return true
    }

    private final class Helper {
        let pool: WorkerPool
        let worker: Int

        init(pool: WorkerPool, worker: Int) {
            self.pool = pool
            self.worker = worker
        }
    }

    private func help(as worker: Int) -> Never {
        var seen: UInt64 = 0
        while true {
            seen = nextAnnouncement(after: seen)
            guard worker < Int(seen & 0xFFFF) else { continue }
            // The caller waits for every thread that its work is for, so the work is there until the count goes down.
            work?.run(worker: worker)
            unfinished.subtract(1, ordering: .acquiringAndReleasing)
        }
    }

    private func nextAnnouncement(after seen: UInt64) -> UInt64 {
        for round in 0..<400 {
            let next = announcement.load(ordering: .acquiring)
            if next != seen { return next }
            if round < 200 { for _ in 0..<50 { tk_pause() } } else { sched_yield() }
        }
        sleepers.add(1, ordering: .sequentiallyConsistent)
        pthread_mutex_lock(mutex)
        while announcement.load(ordering: .sequentiallyConsistent) == seen { pthread_cond_wait(wakeUp, mutex) }
        pthread_mutex_unlock(mutex)
        sleepers.subtract(1, ordering: .relaxed)
        return announcement.load(ordering: .acquiring)
    }
}

/// Waiting for what other threads do within microseconds.
enum Waiting {
    /// Gives the processor away after a while: whoever is waited for may be waiting for it.
    static func until(_ condition: () -> Bool) {
        var rounds = 0
        while !condition() {
            if rounds < 200 { tk_pause() } else { sched_yield() }
            rounds += 1
        }
    }
}

/// Where threads wait for each other between two steps.
final class Barrier: Sendable {
    private let arrived = Atomic<Int>(0)
    private let phase = Atomic<Int>(0)

    /// Returns when `count` threads have called it, with all that they wrote before visible.
    func wait(for count: Int) {
        let current = phase.load(ordering: .relaxed)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
            arrived.store(0, ordering: .relaxed)
            phase.store(current + 1, ordering: .releasing)
        } else {
            Waiting.until { phase.load(ordering: .acquiring) != current }
        }
    }
}
