import Foundation

/// Batches under way between the loading threads and their consumer, bounded in number and given out in order.
///
/// Unchecked: every mutable property is only touched while `condition` is locked.
final class BatchQueue: @unchecked Sendable {
    let capacity: Int
    private let end: Int
    private let condition = NSCondition()
    /// The next batch that a thread will make, and the next that the consumer will get.
    private var nextToMake: Int
    private var nextToGive: Int
    private var finished: [Int: Result<Batch, any Error>] = [:]
    private var isStopped = false
    private var runningThreads = 0

    init(range: Range<Int>, capacity: Int) {
        self.capacity = capacity
        nextToMake = range.lowerBound
        nextToGive = range.lowerBound
        end = range.upperBound
    }

    func startThread(making maker: BatchMaker) {
        condition.withLock { runningThreads += 1 }
        let thread = Thread { [self] in
            while let number = claim() { finish(number, Result { try maker.batch(number) }) }
            condition.withLock {
                runningThreads -= 1
                condition.broadcast()
            }
        }
        thread.name = "tapestry-loader"
        thread.start()
    }

    /// The number of a batch to make, once there is room for it; nil if there is none left to make.
    private func claim() -> Int? {
        condition.withLock {
            while !isStopped && nextToMake < end && nextToMake - nextToGive >= capacity { condition.wait() }
            guard !isStopped, nextToMake < end else { return nil }
            defer { nextToMake += 1 }
            return nextToMake
        }
    }

    private func finish(_ number: Int, _ result: Result<Batch, any Error>) {
        condition.withLock {
            finished[number] = result
            condition.broadcast()
        }
    }

    /// Waits for the next batch; nil after the last, and once stopped. An error stops the queue.
    func next() throws -> Batch? {
        let result: Result<Batch, any Error>? = condition.withLock {
            while !isStopped && nextToGive < end && finished[nextToGive] == nil { condition.wait() }
            guard !isStopped, nextToGive < end, let result = finished.removeValue(forKey: nextToGive) else {
                return nil
            }
            nextToGive += 1
            if case .failure = result { isStopped = true }
            condition.broadcast()
            return result
        }
        return try result?.get()
    }

    /// Stops making batches and waits for the threads' end; does nothing the second time.
    func cancel() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
            while runningThreads > 0 { condition.wait() }
            finished = [:]
        }
    }
}
