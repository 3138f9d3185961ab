import Dispatch
import Foundation
import Synchronization

/// Notices SIGINT and SIGTERM, so that a run can finish its step, save and leave. A second signal ends the process at
/// once, as without this.
public final class Interruption: Sendable {
    private let isRequestedFlag = Atomic<Bool>(false)
    private let sources: Mutex<[any DispatchSourceSignal]> = Mutex([])

    public init() {}

    public var isRequested: Bool { isRequestedFlag.load(ordering: .relaxed) }

    /// Begins to listen; `report` is called once, at the first signal.
    public func listen(report: @escaping @Sendable () -> Void = {}) {
        for number in [SIGINT, SIGTERM] {
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler { [weak self] in
                guard let self else { return }
                signal(number, SIG_DFL)
                if !isRequestedFlag.exchange(true, ordering: .relaxed) { report() }
            }
            source.resume()
            nonisolated(unsafe) let unsafeSource = source
            sources.withLock { $0.append(unsafeSource) }
        }
    }
}
